-- Derived from the models by tools/derived_sql.py.
-- PostgreSQL has a CHECK; SQLite has triggers, because a time may be filled in after the CHECKs.
SELECT
    'key_masters' AS table_name,
    id AS row_id,
    key_id AS row_name,
    'is archived and has no archived_at' AS problem
FROM {schema}.key_masters
WHERE status = 'archived' AND archived_at IS NULL
