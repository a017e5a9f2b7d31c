SELECT count(*) FILTER (WHERE statement.mean_exec_time >= {slow}),
    coalesce(max(statement.mean_exec_time), 0)
FROM {extension}.pg_stat_statements(false) AS statement
INNER JOIN pg_catalog.pg_database AS base ON statement.dbid = base.oid
WHERE base.datname = pg_catalog.current_database()
