SELECT n.nspname || '.' || c.relname AS relation, nullif(c.reltuples, -1)::bigint AS rows,
       pg_table_size(c.oid) AS bytes, pg_has_role(c.relowner, 'USAGE') AS owned
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname = ANY (:names)
ORDER BY relation
