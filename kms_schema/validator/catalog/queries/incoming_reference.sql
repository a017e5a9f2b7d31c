-- Foreign keys of a host's own tables that point at ours: they can make a delete fail. pg_constraint has no index by which to
-- find them, however many the host has; what each depends on has one.
SELECT 'incoming reference', quote_ident(n.nspname) || '.' || quote_ident(h.relname) || '.' || quote_ident(k.conname), 'pg_constraint'::regclass::oid, k.oid, 0,
       jsonb_build_object('table', c.relname, 'definition', pg_get_constraintdef(k.oid))
FROM ours c
CROSS JOIN LATERAL (
    SELECT DISTINCT d.objid FROM pg_depend d
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.classid = 'pg_constraint'::regclass
) d
JOIN pg_constraint k ON k.oid = d.objid AND k.contype = 'f' AND k.confrelid = c.oid
JOIN pg_class h ON h.oid = k.conrelid
JOIN pg_namespace n ON n.oid = h.relnamespace
WHERE k.conrelid NOT IN (SELECT oid FROM ours)
