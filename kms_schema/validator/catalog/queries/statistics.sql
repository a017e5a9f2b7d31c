-- Extended statistics on our tables: CREATE STATISTICS. They may be in another schema than the table.
SELECT 'statistics', CASE WHEN n.nspname <> %(schema)s THEN quote_ident(n.nspname) || '.' ELSE '' END || quote_ident(s.stxname), 'pg_statistic_ext'::regclass::oid, s.oid, 0,
       jsonb_build_object(
           'table', c.relname,
           'schema', nullif(n.nspname, %(schema)s),
           'definition', pg_get_statisticsobjdef(s.oid),
           'comment', obj_description(s.oid, 'pg_statistic_ext')
       )
FROM ours c
JOIN pg_statistic_ext s ON s.stxrelid = c.oid
JOIN pg_namespace n ON n.oid = s.stxnamespace
