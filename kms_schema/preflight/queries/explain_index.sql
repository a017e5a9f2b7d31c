EXPLAIN (FORMAT JSON)
SELECT {columns} FROM (SELECT indexed.*{added} FROM {table} AS indexed) AS indexed {where}
