-- One row if Alembic's table exists: true if it has a column for a revision, and the reason why this role cannot read it safely.
-- A policy, a view, a cast or a generated column would run code of the table's owner with the privileges of the validating role.
SELECT a.attname IS NOT NULL AS stampable,
       CASE WHEN NOT (has_table_privilege(v.oid, 'SELECT') AND has_schema_privilege(v.relnamespace, 'USAGE'))
                THEN 'this role lacks SELECT on {table}'
            WHEN v.relkind <> 'r' THEN '{table} is a partitioned table'
            WHEN row_security_active(v.oid) THEN 'row-level security hides rows of {table} from this role'
            WHEN a.attgenerated <> '' THEN 'version_num of {table} is a generated column'
            -- A domain has no casts of its own: it is read as the type under it.
            WHEN base.typnamespace <> 'pg_catalog'::regnamespace OR base.typcategory <> 'S'
                THEN 'version_num of {table} is of type ' || format_type(a.atttypid, a.atttypmod)
       END AS obstacle
FROM pg_class v
JOIN pg_namespace n ON n.oid = v.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = v.oid AND a.attname = 'version_num' AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type base ON base.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
WHERE n.nspname = %(schema)s AND v.relname = %(table)s AND v.relkind IN ('r', 'p')
