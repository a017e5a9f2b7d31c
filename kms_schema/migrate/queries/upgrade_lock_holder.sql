SELECT held.pid, client.usename, client.application_name, host(client.client_addr),
       to_char(client.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')
FROM pg_locks AS held LEFT JOIN pg_stat_activity AS client ON client.pid = held.pid
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
  AND held.classid = {classid} AND held.objid = {objid}
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
