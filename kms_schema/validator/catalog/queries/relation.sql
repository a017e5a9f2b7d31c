-- Tables and views of every kind. The columns of a view are part of it; those of a table are objects of their own (column.sql).
SELECT CASE c.relkind
           WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table'
           WHEN 'v' THEN 'view' ELSE 'materialized view'
       END AS kind,
       c.relname::text AS name,
       'pg_class'::regclass::oid AS class, c.oid AS object, 0 AS part,
       jsonb_build_object(
           'owner', pg_get_userbyid(c.relowner),
           'acl', c.relacl::text[],
           'acl_default', CASE WHEN c.relacl IS NOT NULL THEN acldefault('r', c.relowner)::text[] END,
           'persistence', CASE c.relpersistence WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END,
           'options', to_jsonb(c.reloptions),
           'toast_options', (SELECT to_jsonb(t.reloptions) FROM pg_class t WHERE t.oid = c.reltoastrelid),
           'tablespace', (SELECT spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace),
           'access_method', (SELECT amname FROM pg_am a WHERE a.oid = c.relam AND a.amname <> 'heap'),
           'row_security', CASE WHEN c.relkind IN ('r', 'p') THEN c.relrowsecurity END,
           'row_security_forced', CASE WHEN c.relkind IN ('r', 'p') THEN c.relforcerowsecurity END,
           'replica_identity', CASE WHEN c.relreplident <> (CASE c.relkind WHEN 'v' THEN 'n' ELSE 'd' END)::"char"
                                    THEN CASE c.relreplident WHEN 'f' THEN 'full' WHEN 'd' THEN 'default' WHEN 'n' THEN 'nothing'
                                         ELSE 'index ' || (SELECT x.indexrelid::regclass FROM pg_index x WHERE x.indrelid = c.oid AND x.indisreplident) END END,
           'of_type', CASE WHEN c.reloftype <> 0 THEN c.reloftype::regtype::text END,
           'extension', (SELECT string_agg(CASE x.deptype WHEN 'e' THEN 'member of ' ELSE 'goes with ' END || quote_ident(e.extname), ', ' ORDER BY e.extname)
                         FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
                         WHERE (x.classid, x.objid, x.refclassid) = ('pg_class'::regclass, c.oid, 'pg_extension'::regclass)),
           'comment', obj_description(c.oid, 'pg_class'),
           'populated', CASE WHEN c.relkind = 'm' THEN c.relispopulated END,
           'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
           'partition_key', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
           'partition_bound', pg_get_expr(c.relpartbound, c.oid),
           'inherits', (SELECT jsonb_agg(quote_ident(pn.nspname) || '.' || quote_ident(p.relname) ORDER BY i.inhseqno)
                        FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
                        WHERE i.inhrelid = c.oid),
           -- A view's own rule, which ALTER TABLE DISABLE RULE "_RETURN" disables.
           'rule_enabled', (SELECT r.ev_enabled FROM pg_rewrite r
                            WHERE r.ev_class = c.oid AND r.rulename = '_RETURN' AND r.ev_enabled <> 'O'),
           'columns', (SELECT jsonb_agg(
                           CASE WHEN c.relkind IN ('v', 'm')
                                THEN quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                                     || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
                                ELSE a.attname END
                           ORDER BY a.attnum)
                       FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
                       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
           -- Of a table they are attributes of each column.
           'column_settings', CASE WHEN c.relkind IN ('v', 'm') THEN
               (SELECT jsonb_agg(x.setting ORDER BY x.setting COLLATE "C") FROM (
                    SELECT quote_ident(a.attname) || ' STATISTICS ' || a.attstattarget::text AS setting
                    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attstattarget <> -1
                    UNION ALL
                    SELECT quote_ident(a.attname) || ' (' || string_agg(o.option, ', ') || ')'
                    FROM pg_attribute a, unnest(a.attoptions) o (option)
                    WHERE a.attrelid = c.oid AND split_part(o.option, '=', 1) <> 'pg_attver' GROUP BY a.attnum, a.attname
                    UNION ALL
                    SELECT quote_ident(a.attname) || ' STORAGE ' || a.attstorage::text
                    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attstorage <> t.typstorage
                    UNION ALL
                    SELECT quote_ident(a.attname) || ' COMPRESSION ' || (to_jsonb(a) ->> 'attcompression')
                    FROM pg_attribute a WHERE a.attrelid = c.oid AND to_jsonb(a) ->> 'attcompression' <> '') x) END,
           'column_comments', CASE WHEN c.relkind IN ('v', 'm') THEN
               (SELECT jsonb_agg(quote_ident(a.attname) || ': ' || d.description ORDER BY a.attnum)
                FROM pg_attribute a JOIN pg_description d ON (d.classoid, d.objoid, d.objsubid) = ('pg_class'::regclass, c.oid, a.attnum)
                WHERE a.attrelid = c.oid) END,
           'column_acl', (SELECT jsonb_object_agg(a.attname, a.attacl::text[])
                          FROM pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped)
       ) AS attributes
FROM ours c
