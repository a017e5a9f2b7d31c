"""The database of a key-management system: models, SQL and a validator for PostgreSQL and SQLite."""

__version__ = "0.1.0"
