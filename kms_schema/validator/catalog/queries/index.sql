-- Indexes of our tables and materialized views, those behind constraints included. The name is left out of the definition.
SELECT 'index', i.relname::text, 'pg_class'::regclass::oid, i.oid, 0,
       jsonb_build_object(
           'table', c.relname,
           'definition', replace(pg_get_indexdef(i.oid), ' INDEX ' || quote_ident(i.relname) || ' ON ', ' INDEX {name} ON '),
           'unique', x.indisunique,
           'valid', x.indisvalid,
           'ready', x.indisready AND x.indislive,
           'primary', CASE WHEN x.indisprimary THEN true END,
           'deferrable', CASE WHEN NOT x.indimmediate THEN true END,
           'clustered', CASE WHEN x.indisclustered THEN true END,
           'tablespace', (SELECT spcname FROM pg_tablespace s WHERE s.oid = i.reltablespace),
           'statistics', (SELECT jsonb_agg(a.attnum::text || ': ' || a.attstattarget::text ORDER BY a.attnum)
                          FROM pg_attribute a WHERE a.attrelid = i.oid AND a.attstattarget <> -1),
           'extension', (SELECT string_agg(CASE x.deptype WHEN 'e' THEN 'member of ' ELSE 'goes with ' END || quote_ident(e.extname), ', ' ORDER BY e.extname)
                         FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
                         WHERE (x.classid, x.objid, x.refclassid) = ('pg_class'::regclass, i.oid, 'pg_extension'::regclass)),
           'comment', obj_description(i.oid, 'pg_class')
       )
FROM ours c
JOIN pg_index x ON x.indrelid = c.oid
JOIN pg_class i ON i.oid = x.indexrelid
