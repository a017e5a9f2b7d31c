-- Views and materialized views.
SELECT CASE c.relkind WHEN 'v' THEN 'view ' ELSE 'materialized view ' END || c.relname AS key, c.relname AS relation, c.oid::regclass::text AS on_relation, c.oid::integer AS relation_oid,
    CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END AS kind, rtrim(pg_get_viewdef(c.oid), ';') AS definition,
    (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS first_column,
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS first_type,
    (SELECT quote_ident(attname) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
     WHERE attrelid = c.oid AND attnum > 0 AND t.typstorage <> 'p' ORDER BY attnum LIMIT 1) AS toastable_column,
    (SELECT coalesce(string_agg(pg_get_indexdef(x.indexrelid), '; '), '') FROM pg_index x WHERE x.indrelid = c.oid) AS indexes,
    (SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid LIMIT 1) AS index,
    EXISTS (SELECT FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
            WHERE d.refobjid = c.oid AND d.classid = 'pg_rewrite'::regclass AND w.ev_class <> c.oid) AS needed
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm')
