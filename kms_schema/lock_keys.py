"""The lock of a migration on PostgreSQL, by itself: the validator looks for it, and must not load SQLAlchemy."""

LOCK_KEY = 0x6B6D_735F_7363_6865
"""The advisory lock of PostgreSQL that an upgrade holds: the bytes of `kms_sche`."""
