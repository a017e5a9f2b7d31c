SELECT pg_catalog.current_setting('pg_stat_statements.max', true) IS NOT NULL
