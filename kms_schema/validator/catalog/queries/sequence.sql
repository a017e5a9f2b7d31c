-- Sequences by their names, and any that a column of ours owns.
SELECT 'sequence', s.relname::text, 'pg_class'::regclass::oid, s.oid, 0,
       jsonb_build_object(
           'type', format_type(q.seqtypid, NULL),
           'start', q.seqstart, 'increment', q.seqincrement, 'minimum', q.seqmin, 'maximum', q.seqmax,
           'cache', q.seqcache, 'cycle', q.seqcycle,
           'owned_by', (SELECT {place} || a.attname
                        FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid
                        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.objsubid = 0
                          AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')),
           'persistence', CASE s.relpersistence WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END,
           'owner', pg_get_userbyid(s.relowner),
           'acl', s.relacl::text[],
           'acl_default', CASE WHEN s.relacl IS NOT NULL THEN acldefault('s', s.relowner)::text[] END,
           'extension', (SELECT string_agg(CASE x.deptype WHEN 'e' THEN 'member of ' ELSE 'goes with ' END || quote_ident(e.extname), ', ' ORDER BY e.extname)
                         FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
                         WHERE (x.classid, x.objid, x.refclassid) = ('pg_class'::regclass, s.oid, 'pg_extension'::regclass)),
           'comment', obj_description(s.oid, 'pg_class')
       )
FROM (
    SELECT s.oid FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace
    WHERE n.nspname = %(schema)s AND s.relkind = 'S' AND (%(sequences)s::text[] IS NULL OR s.relname = ANY (%(sequences)s))
    UNION
    SELECT d.objid FROM ours c JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
    WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
) o
JOIN pg_class s ON s.oid = o.oid
JOIN pg_sequence q ON q.seqrelid = s.oid
