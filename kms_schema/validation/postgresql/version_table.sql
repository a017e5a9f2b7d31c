-- Whether this role may read Alembic's table; no row where there is none.
SELECT has_table_privilege(v.oid, 'SELECT') AND has_schema_privilege(v.relnamespace, 'USAGE') AS readable,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = v.oid AND a.attname = 'version_num' AND NOT a.attisdropped) AS stampable
FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace
WHERE n.nspname = %(schema)s AND v.relname = %(table)s AND v.relkind IN ('r', 'p')
