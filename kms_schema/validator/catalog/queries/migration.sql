-- The session that holds the lock of migrations of this database (migrate/lock.py). A snapshot has no locks.
SELECT l.pid
FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid = %(high)s::bigint::oid AND l.objid = %(low)s::bigint::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
