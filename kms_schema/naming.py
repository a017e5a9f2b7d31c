"""How constraints and indexes are named, so that a name in an error message spells its table and columns."""

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "idx_%(table_name)s_%(column_0_N_name)s",
}
"""Given to `sqlalchemy.MetaData`; PostgreSQL cuts names at 63 bytes, and a test holds every name below that."""
