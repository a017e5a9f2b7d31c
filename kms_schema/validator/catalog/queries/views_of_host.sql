-- Views of the host on our relations: the server refuses to drop what they read, and to change the type of its columns.
SELECT DISTINCT read.relname, a.attname,
       CASE c.relkind WHEN 'm' THEN 'materialized view ' WHEN 'v' THEN 'view ' ELSE 'rule of table ' END
       || CASE WHEN c.relnamespace = read.relnamespace THEN '' ELSE n.nspname || '.' END || c.relname
FROM pg_depend d
JOIN pg_rewrite r ON r.oid = d.objid
JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class read ON read.oid = d.refobjid
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND d.refobjsubid <> 0
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
  AND d.refobjid = ANY (%(ours)s::oid[]) AND c.oid <> ALL (%(ours)s::oid[])
ORDER BY 1, 2, 3
