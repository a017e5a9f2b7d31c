SELECT 1 FROM {schema}.sqlite_master WHERE type = 'table' AND name = 'alembic_version'
