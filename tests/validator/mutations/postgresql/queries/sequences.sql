-- Sequences.
SELECT 'sequence ' || c.relname AS key, c.relname AS relation, c.oid::regclass::text AS on_relation, c.oid::integer AS relation_oid,
    EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'a') AS owned
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S'
