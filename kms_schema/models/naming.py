"""The names of constraints and indexes, which contain their table and columns, for error messages."""

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "idx_%(table_name)s_%(column_0_N_name)s",
}
"""For `sqlalchemy.MetaData`. PostgreSQL truncates names at 63 bytes; a test checks that every name is shorter."""
