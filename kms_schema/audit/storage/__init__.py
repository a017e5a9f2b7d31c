"""The audit trail in each database: what sealing, retention and verification read and write."""
