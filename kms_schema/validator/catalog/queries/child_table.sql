-- Tables that inherit from those of the schema: their rows are read through the parent, whose triggers do not fire for them.
SELECT 'child table', quote_ident(n.nspname) || '.' || quote_ident(h.relname), 'pg_class'::regclass::oid, h.oid, 0,
       jsonb_build_object('table', c.relname)
FROM ours c
JOIN pg_inherits i ON i.inhparent = c.oid
JOIN pg_class h ON h.oid = i.inhrelid AND h.relkind IN ('r', 'p', 'f')
JOIN pg_namespace n ON n.oid = h.relnamespace
