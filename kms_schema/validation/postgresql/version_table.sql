-- Whether this role may read Alembic's table; no row where there is none.
SELECT has_table_privilege(v.oid, 'SELECT') AND has_schema_privilege(v.relnamespace, 'USAGE') AS readable
FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace
WHERE n.nspname = %(schema)s AND v.relname = %(table)s AND v.relkind IN ('r', 'p')
