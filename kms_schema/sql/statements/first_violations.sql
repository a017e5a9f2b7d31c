SELECT table_name, row_id, row_name, problem, count(*) OVER () AS total
FROM (
{violating}
) AS violating ORDER BY row_name, row_id LIMIT {listed}
