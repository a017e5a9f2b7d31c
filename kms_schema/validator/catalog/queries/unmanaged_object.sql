-- Unmanaged objects: neither part of the schema nor of an extension. Kinds that the validator does not compare are listed as
-- the server identifies them: an operator, a default privilege or a schema of a publication has no name of its own. A
-- composite type belongs to an extension by its row in pg_type. The functions and the multirange of a range type go with it.
SELECT CASE c.relkind
           WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view'
           WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'composite type'
       END || ' ' || c.relname
FROM pg_class c
WHERE c.relnamespace = %(schema)s::oid AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c') AND c.oid <> ALL (%(ours)s::oid[])
  AND (c.relkind <> 'c' OR c.reltype <> ALL (%(ours)s::oid[]))
  AND NOT EXISTS (
      SELECT FROM pg_depend d
      WHERE d.deptype = 'e' AND (
          (d.classid, d.objid) = ('pg_class'::regclass, c.oid)
          OR c.relkind = 'c' AND (d.classid, d.objid) = ('pg_type'::regclass, c.reltype)
      )
  )
UNION ALL
SELECT 'function ' || f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')'
FROM pg_proc f
WHERE f.pronamespace = %(schema)s::oid AND f.oid <> ALL (%(ours)s::oid[])
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid) = ('pg_proc'::regclass, f.oid)
                  AND (d.deptype = 'e' OR d.deptype = 'i' AND d.refclassid = 'pg_type'::regclass))
UNION ALL
SELECT identified.type || ' ' || CASE
           WHEN d.classid IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) THEN identified.identity
           ELSE coalesce(identified.name, identified.identity)
       END
FROM pg_depend d CROSS JOIN pg_identify_object(d.classid, d.objid, 0) AS identified
WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = %(schema)s::oid
  AND d.classid NOT IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_statistic_ext'::regclass)
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE (e.classid, e.objid) = (d.classid, d.objid)
                  AND (e.deptype = 'e' OR e.deptype = 'i' AND e.classid = 'pg_type'::regclass AND e.refclassid = 'pg_type'::regclass))
  AND NOT (d.classid = 'pg_type'::regclass
           AND EXISTS (SELECT FROM pg_type t WHERE t.oid = d.objid AND (t.typrelid <> 0 OR t.typelem <> 0)))
  AND NOT (d.classid = 'pg_constraint'::regclass)
  AND NOT (d.classid IN ('pg_type'::regclass, 'pg_extension'::regclass) AND d.objid = ANY (%(ours)s::oid[]))
  AND identified.type IS NOT NULL
ORDER BY 1
