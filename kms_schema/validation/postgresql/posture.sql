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
SELECT 'KMS414', 'superusers', string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname)
FROM pg_roles r WHERE r.rolsuper
HAVING count(*) > 0
