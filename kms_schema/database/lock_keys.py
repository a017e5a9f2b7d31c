"""The key of the migration lock, in its own module: the validator reads it, and must not load SQLAlchemy."""

LOCK_KEY = 0x6B6D_735F_7363_6865
"""The key of PostgreSQL's advisory lock during an upgrade: the bytes of `kms_sche`."""
