-- Which of the given objects needs which other: what must go when that one goes. Defaults stand for their column, rules for their view.
-- OFFSET 0 has the server look up what is ours, one by one, instead of all dependencies, defaults and rules that a host has.
SELECT DISTINCT
       CASE WHEN w.ev_class IS NOT NULL OR a.adrelid IS NOT NULL THEN 'pg_class'::regclass::oid ELSE d.classid END,
       coalesce(a.adrelid, w.ev_class, d.objid),
       coalesce(a.adnum::integer, d.objsubid),
       d.refclassid, d.refobjid, d.refobjsubid
FROM unnest(%(objects)s::oid[]) AS o (oid)
CROSS JOIN LATERAL (
    SELECT classid, objid, objsubid, refclassid, refobjid, refobjsubid FROM pg_depend
    WHERE refobjid = o.oid
      AND refclassid = ANY (ARRAY['pg_class', 'pg_constraint', 'pg_proc', 'pg_trigger', 'pg_rewrite', 'pg_policy', 'pg_type', 'pg_extension']::regclass[])
    OFFSET 0
) d
LEFT JOIN LATERAL (
    SELECT ev_class FROM pg_rewrite WHERE d.classid = 'pg_rewrite'::regclass AND oid = d.objid AND rulename = '_RETURN' OFFSET 0
) w ON true
LEFT JOIN LATERAL (
    SELECT adrelid, adnum FROM pg_attrdef WHERE d.classid = 'pg_attrdef'::regclass AND oid = d.objid OFFSET 0
) a ON true
