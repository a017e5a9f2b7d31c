SELECT pg_catalog.string_agg(CAST(c.relname AS pg_catalog.text), ', ' ORDER BY c.relname)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.ts_stat(
         CASE WHEN pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NULL
              THEN 'SELECT pg_catalog.array_to_tsvector(CAST(ARRAY[] AS pg_catalog.text[]))'
              ELSE 'SELECT pg_catalog.array_to_tsvector(ARRAY[CAST(CAST(logicalrelid AS pg_catalog.oid) AS pg_catalog.text)])'
                   ' FROM pg_catalog.pg_dist_partition' END) AS t
  ON t.word OPERATOR(pg_catalog.=) CAST(c.oid AS pg_catalog.text)
WHERE n.nspname OPERATOR(pg_catalog.=) CAST(:schema AS pg_catalog.name)
  AND c.relname OPERATOR(pg_catalog.=) ANY (CAST(:names AS pg_catalog.name[])) AND c.relkind IN ('r', 'p')
