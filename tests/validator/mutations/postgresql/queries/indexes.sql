-- Indexes; those behind constraints change with them.
SELECT 'index ' || i.relname AS key, c.relname AS relation, c.oid::regclass::text AS on_relation, c.oid::integer AS relation_oid, i.oid::regclass::text AS name, i.oid::integer AS oid,
    pg_get_indexdef(i.oid) AS definition, x.indisunique AS unique, x.indisprimary AS primary, x.indpred IS NOT NULL AS partial,
    k.oid IS NOT NULL AS of_constraint, x.indnatts > x.indnkeyatts AS includes, c.relkind AS relation_kind
FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.contype IN ('p', 'u', 'x')
WHERE c.relnamespace = 'public'::regnamespace
