-- Tables that Citus distributes, by its catalog, which every role may read. It is not there without Citus, so that no query can name
-- it; ts_stat runs a query that is a text, and returns its words: the numbers of tables.
SELECT 'KMS459', 'table ' || quote_ident(c.relname), 'distributed by Citus', NULL
FROM pg_class c
JOIN ts_stat(CASE WHEN to_regclass('pg_catalog.pg_dist_partition') IS NULL THEN 'SELECT array_to_tsvector(ARRAY[]::text[])'
                  ELSE 'SELECT array_to_tsvector(ARRAY[logicalrelid::oid::text]) FROM pg_catalog.pg_dist_partition' END) AS t
  ON t.word = c.oid::text
WHERE c.oid = ANY (%(ours)s::oid[]) AND c.relkind IN ('r', 'p')
