-- Extended statistics on our tables: CREATE STATISTICS.
SELECT 'statistics', s.stxname::text, 'pg_statistic_ext'::regclass::oid, s.oid, 0,
       jsonb_build_object(
           'table', c.relname,
           'definition', pg_get_statisticsobjdef(s.oid)
       )
FROM ours c
JOIN pg_statistic_ext s ON s.stxrelid = c.oid
