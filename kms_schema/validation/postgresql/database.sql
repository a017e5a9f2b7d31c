-- The one row that is about the database and the session as a whole. alembic_version is read only where this role may read it.
SELECT current_setting('server_version_num')::integer AS version,
       (SELECT s.oid FROM pg_namespace s WHERE s.nspname = %(schema)s) AS schema_oid,
       v.oid AS version_table,
       has_table_privilege(v.oid, 'SELECT') AND has_schema_privilege(v.relnamespace, 'USAGE') AS version_readable
FROM (SELECT) AS one
LEFT JOIN pg_class v ON v.relname = 'alembic_version'
     AND v.relnamespace = (SELECT s.oid FROM pg_namespace s WHERE s.nspname = %(schema)s)
