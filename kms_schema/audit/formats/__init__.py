"""Bytes and texts of the audit trail: entries, the tree, checkpoints, seals, keys."""
