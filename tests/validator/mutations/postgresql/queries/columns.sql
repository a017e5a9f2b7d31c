-- Columns of tables.
SELECT 'column ' || c.relname || '.' || a.attname AS key, c.relname AS relation, c.oid::regclass::text AS on_relation, c.oid::integer AS relation_oid, quote_ident(a.attname) AS name,
    format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null, a.attnum AS number,
    a.attnum = c.relnatts AS last, pg_relation_size(c.oid) > 0 AS has_rows, pg_get_expr(d.adbin, d.adrelid) AS default, a.attcollation <> 0 AS collatable,
    (SELECT n.conname FROM pg_constraint n WHERE n.conrelid = c.oid AND n.contype = 'n' AND n.conkey[1] = a.attnum) AS not_null_name,
    a.atttypmod AS modifier, t.typstorage <> 'p' AS toastable,
    CASE a.attstorage WHEN 'e' THEN 'MAIN' ELSE 'EXTERNAL' END AS other_storage,
    format_type(a.atttypid, a.atttypmod) || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
        || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END AS definition,
    EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary AND a.attnum = ANY (x.indkey)) AS in_primary_key,
    EXISTS (SELECT FROM pg_depend p WHERE p.refobjid = c.oid AND p.refobjsubid = a.attnum AND p.classid <> 'pg_attrdef'::regclass) AS needed,
    EXISTS (SELECT FROM pg_depend p WHERE p.refobjid = c.oid AND p.refobjsubid = a.attnum
            AND p.classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass)) AS fixed_by_a_view_or_trigger,
    EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND (k.conrelid = c.oid AND a.attnum = ANY (k.conkey)
            OR k.confrelid = c.oid AND a.attnum = ANY (k.confkey))) AS in_foreign_key
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
