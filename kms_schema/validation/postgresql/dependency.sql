-- Which of the given objects needs which other: what must go when that one goes. Defaults stand for their column, rules for their view.
SELECT DISTINCT
       CASE WHEN w.oid IS NOT NULL AND w.rulename = '_RETURN' OR a.oid IS NOT NULL THEN 'pg_class'::regclass::oid ELSE d.classid END,
       coalesce(a.adrelid, CASE WHEN w.rulename = '_RETURN' THEN w.ev_class END, d.objid),
       coalesce(a.adnum::integer, d.objsubid),
       d.refclassid, d.refobjid, d.refobjsubid
FROM pg_depend d
LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
WHERE d.refobjid = ANY (%(objects)s::oid[])
  AND d.refclassid = ANY (ARRAY['pg_class', 'pg_constraint', 'pg_proc', 'pg_trigger', 'pg_rewrite', 'pg_policy']::regclass[])
