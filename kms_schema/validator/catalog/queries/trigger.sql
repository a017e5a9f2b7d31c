-- Triggers on our tables and views. ALWAYS fires under session_replication_role = replica too; ORIGIN (the default) does not.
SELECT 'trigger', c.place || t.tgname, 'pg_trigger'::regclass::oid, t.oid, 0,
       jsonb_build_object(
           'table', c.relname,
           'definition', replace(pg_get_triggerdef(t.oid), ' TRIGGER ' || quote_ident(t.tgname) || ' ', ' TRIGGER {name} '),
           'enabled', CASE t.tgenabled WHEN 'O' THEN 'ORIGIN' WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE 'DISABLED' END,
           'function', quote_ident(pn.nspname) || '.' || quote_ident(p.proname),
           'extension', (SELECT string_agg(CASE x.deptype WHEN 'e' THEN 'member of ' ELSE 'goes with ' END || quote_ident(e.extname), ', ' ORDER BY e.extname)
                         FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
                         WHERE (x.classid, x.objid, x.refclassid) = ('pg_trigger'::regclass, t.oid, 'pg_extension'::regclass)),
           'comment', obj_description(t.oid, 'pg_trigger')
       )
FROM ours c
JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
-- Partitions have the triggers of their table; 13 and 14 hide them.
AND (t.tgparentid = 0 OR NOT c.relispartition)
JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_namespace pn ON pn.oid = p.pronamespace
