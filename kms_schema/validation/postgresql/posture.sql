-- Who could get past the guards, and by which setting: one row for each, a code and whom it is about.
WITH RECURSIVE owner AS (
    SELECT r.oid, r.rolname, r.rolcanlogin, r.rolsuper FROM pg_roles r WHERE r.rolname = %(owner)s
), member AS (
    -- Roles that are, or may become, the owner: SET ROLE is enough to switch a trigger off.
    SELECT m.member FROM pg_auth_members m JOIN owner ON m.roleid = owner.oid
    UNION
    SELECT m.member FROM pg_auth_members m JOIN member ON m.roleid = member.member
), setting AS (
    SELECT coalesce('role ' || quote_ident(r.rolname), 'every role') || coalesce(' in database ' || quote_ident(d.datname), '') AS scope,
           s.word
    FROM pg_db_role_setting b
    LEFT JOIN pg_roles r ON r.oid = b.setrole
    LEFT JOIN pg_database d ON d.oid = b.setdatabase
    CROSS JOIN unnest(b.setconfig) AS s (word)
    WHERE b.setdatabase = 0 OR d.datname = current_database()
)
SELECT 'KMS401' AS code, 'setting of ' || scope, word FROM setting WHERE word ~* '^session_replication_role=(replica|local)$'
UNION ALL
-- Of the server's own settings, what a session has set for itself tells nothing of others.
SELECT 'KMS401', 'setting of the server', name || '=' || setting FROM pg_settings
WHERE name = 'session_replication_role' AND setting <> 'origin' AND source IN ('configuration file', 'command line', 'environment variable')
UNION ALL
SELECT 'KMS402', 'setting of ' || scope, word FROM setting WHERE word ~* '^kms\.restore=on$'
UNION ALL
SELECT 'KMS411', 'role ' || quote_ident(rolname), CASE WHEN rolsuper THEN 'a superuser that logs in' ELSE 'logs in' END
FROM owner WHERE rolcanlogin
UNION ALL
SELECT 'KMS412', 'role ' || quote_ident(r.rolname), 'a member of ' || quote_ident(owner.rolname)
FROM member JOIN pg_roles r ON r.oid = member.member CROSS JOIN owner
WHERE NOT r.rolsuper
UNION ALL
SELECT 'KMS413', 'schema ' || quote_ident(n.nspname), 'everyone may create objects in it'
FROM pg_namespace n
WHERE n.nspname = %(schema)s
  AND EXISTS (SELECT FROM aclexplode(n.nspacl) a WHERE a.grantee = 0 AND a.privilege_type = 'CREATE')
UNION ALL
SELECT 'KMS415', 'schema ' || quote_ident(n.nspname), 'role ' || quote_ident(pg_get_userbyid(a.grantee)) || ' may create objects in it'
FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a
WHERE n.nspname = %(schema)s AND a.privilege_type = 'CREATE' AND a.grantee <> ALL (ARRAY[0, n.nspowner, (SELECT oid FROM owner)])
UNION ALL
SELECT 'KMS416', 'default privileges of ' || quote_ident(owner.rolname) || coalesce(' in schema ' || quote_ident(n.nspname), ''),
       CASE p.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' ELSE 'others' END
       || ': ' || array_to_string(p.defaclacl, ', ')
FROM pg_default_acl p JOIN owner ON owner.oid = p.defaclrole LEFT JOIN pg_namespace n ON n.oid = p.defaclnamespace
WHERE p.defaclnamespace = 0 OR n.nspname = %(schema)s
UNION ALL
SELECT 'KMS417', 'event trigger ' || quote_ident(evtname), 'runs at ' || evtevent FROM pg_event_trigger WHERE evtenabled <> 'D'
UNION ALL
SELECT 'KMS418', 'publication ' || quote_ident(p.pubname), 'publishes ' || string_agg(quote_ident(p.tablename), ', ' ORDER BY p.tablename)
FROM pg_publication_tables p
JOIN pg_class c ON c.relname = p.tablename AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = p.schemaname)
JOIN owner ON owner.oid = c.relowner
WHERE p.schemaname = %(schema)s GROUP BY p.pubname
UNION ALL
SELECT 'KMS414', 'superusers', string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname)
FROM pg_roles r WHERE r.rolsuper
HAVING count(*) > 0
