-- The session that holds the lock of migrations of this database (migrate/lock.py). A snapshot has no locks. Anybody with
-- a connection can hold that lock, and must not prevent a verdict: only a role that may migrate counts, which has the role
-- of the owner of the audit log.
SELECT l.pid
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid = %(high)s::bigint::oid AND l.objid = %(low)s::bigint::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND coalesce((
      SELECT pg_has_role(a.usesysid, c.relowner, 'MEMBER') FROM pg_class c
      WHERE c.relnamespace = %(schema)s::oid AND c.relname = 'key_audit_logs'
  ), true)
