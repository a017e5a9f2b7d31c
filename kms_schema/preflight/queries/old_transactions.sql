SELECT pid::text AS who, usename AS role, state, date_trunc('second', now() - xact_start)::text AS age
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND xact_start < now() - make_interval(secs => :seconds)
UNION ALL
SELECT 'prepared ' || gid, owner, 'prepared', date_trunc('second', now() - prepared)::text
FROM pg_prepared_xacts WHERE database = current_database()
ORDER BY age DESC
