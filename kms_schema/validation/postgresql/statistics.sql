-- Extended statistics on our tables: CREATE STATISTICS.
SELECT 'statistics', s.stxname::text, 'pg_statistic_ext'::regclass::oid, s.oid, 0,
       jsonb_build_object(
           'table', c.relname,
           'definition', pg_get_statisticsobjdef(s.oid),
           'comment', obj_description(s.oid, 'pg_statistic_ext')
       )
FROM ours c
JOIN pg_statistic_ext s ON s.stxrelid = c.oid
