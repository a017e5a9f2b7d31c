"""The trail in PostgreSQL."""
