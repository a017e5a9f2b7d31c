-- Foreign keys of a host's own tables that point at ours: they can make a delete fail.
SELECT 'incoming reference', quote_ident(n.nspname) || '.' || quote_ident(h.relname) || '.' || quote_ident(k.conname), 'pg_constraint'::regclass::oid, k.oid, 0,
       jsonb_build_object('table', c.relname, 'definition', pg_get_constraintdef(k.oid))
FROM ours c
JOIN pg_constraint k ON k.confrelid = c.oid AND k.contype = 'f'
JOIN pg_class h ON h.oid = k.conrelid
JOIN pg_namespace n ON n.oid = h.relnamespace
WHERE k.conrelid NOT IN (SELECT oid FROM ours)
