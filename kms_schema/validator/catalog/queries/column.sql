-- Columns of tables. On PostgreSQL 18 NOT NULL is a constraint too: its differences from the default are an attribute of the column.
SELECT 'column', c.place || a.attname, 'pg_class'::regclass::oid, c.oid, a.attnum::integer,
       jsonb_build_object(
           'table', c.relname,
           'type', format_type(a.atttypid, a.atttypmod),
           -- A domain has no casts. The cast of another user-defined type is a function of its owner, which no remediation may call.
           'casts', CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace AND t.typtype <> 'd' THEN 'of its own' END,
           'nullable', NOT a.attnotnull,
           'not_null_constraint', n.unusual,
           'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
           'generated', CASE a.attgenerated
                            WHEN 's' THEN 'STORED ' WHEN 'v' THEN 'VIRTUAL '
                        END || pg_get_expr(d.adbin, d.adrelid),
           'identity', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
           'collation', CASE WHEN a.attcollation <> t.typcollation THEN
               (SELECT quote_ident(ln.nspname) || '.' || quote_ident(l.collname)
                FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = a.attcollation) END,
           'storage', CASE WHEN a.attstorage <> t.typstorage THEN
               CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
           -- attcompression came with 14; attstattarget is NULL since 17 where it was -1.
           'compression', nullif(to_jsonb(a) ->> 'attcompression', ''),
           'statistics', nullif(a.attstattarget, -1),
           -- pg_attver is internal to the server (15.20, 17.12): it cannot be set or reset.
           'options', (SELECT jsonb_agg(o.option) FROM unnest(a.attoptions) o (option) WHERE split_part(o.option, '=', 1) <> 'pg_attver'),
           -- Of a table with a parent, the parent is the difference.
           'inherited', CASE WHEN (a.attinhcount > 0 OR NOT a.attislocal) AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) THEN true END,
           'comment', col_description(c.oid, a.attnum)
       )
FROM ours c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
LEFT JOIN LATERAL (
    SELECT nullif(concat_ws(', ',
               -- A generated name longer than 63 bytes is shortened by a rule of the server's; such names are let be.
               CASE WHEN k.conname <> c.relname || '_' || a.attname || '_not_null'
                         AND octet_length(c.relname || '_' || a.attname || '_not_null') <= 63 THEN quote_ident(k.conname) END,
               CASE WHEN NOT k.convalidated THEN 'NOT VALID' END,
               CASE WHEN k.connoinherit THEN 'NO INHERIT' END), '') AS unusual
    FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey[1] = a.attnum
) n ON true
WHERE c.relkind IN ('r', 'p', 'f')
