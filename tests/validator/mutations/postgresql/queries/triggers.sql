-- Triggers that somebody made.
SELECT 'trigger ' || c.relname || '.' || g.tgname AS key, c.relname AS relation, c.oid::regclass::text AS on_relation, c.oid::integer AS relation_oid, quote_ident(g.tgname) AS name,
    pg_get_triggerdef(g.oid) AS definition, CASE g.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'O' THEN 'ENABLE' END AS state,
    g.tgtype AS bits, (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS first_column
FROM pg_class c JOIN pg_trigger g ON g.tgrelid = c.oid AND NOT g.tgisinternal
WHERE c.relnamespace = 'public'::regnamespace
