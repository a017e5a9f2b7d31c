-- Roles that are, may become or may use another one, and roles with an attribute.
SELECT h.code, 'role ' || quote_ident(v.rolname),
       'a member of ' || string_agg(DISTINCT quote_ident(t.rolname), ', ')
       || coalesce(', and through it ' || string_agg(DISTINCT quote_ident(r.rolname), ', ') FILTER (WHERE r.oid <> v.oid), ''),
       (SELECT string_agg(m.remediation, ' ' ORDER BY m.remediation) FROM membership m
        WHERE m.member = v.oid AND m.roleid IN (SELECT p.oid FROM role_of_power p WHERE p.code = h.code))
FROM holder h
JOIN pg_roles t ON t.oid = h.target JOIN pg_roles v ON v.oid = h.via JOIN pg_roles r ON r.oid = h.role
CROSS JOIN here
-- A subscription writes with the privileges of its owner, who needs CREATE on the database to create it.
WHERE h.code <> 'KMS427'
   OR (has_database_privilege(r.oid, here.oid, 'CREATE')
       AND EXISTS (SELECT FROM pg_class c
                   WHERE c.oid = ANY (%(ours)s::oid[]) AND c.relkind IN ('r', 'p')
                     AND (has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE') OR has_table_privilege(r.oid, c.oid, 'DELETE'))))
GROUP BY h.code, v.oid, v.rolname
UNION ALL
-- A role that administers a group role decides about its members. From 16 on the creator of a role has this from the first
-- superuser, without the privileges; of the roles above it is reported with any options.
SELECT 'KMS455', 'role ' || pg_get_userbyid(m.member)::text, 'may grant ' || string_agg(DISTINCT quote_ident(g.rolname), ', '),
       string_agg(format('REVOKE ADMIN OPTION FOR %%I FROM %%I%%s CASCADE;', g.rolname, pg_get_userbyid(m.member),
           CASE WHEN to_jsonb(m) ? 'set_option' THEN format(' GRANTED BY %%I', pg_get_userbyid(m.grantor)) ELSE '' END), ' ' ORDER BY g.rolname)
FROM group_role g JOIN pg_auth_members m ON m.roleid = g.oid JOIN pg_roles r ON r.oid = m.member
WHERE m.admin_option AND NOT r.rolsuper AND m.member NOT IN (SELECT owner.oid FROM owner)
  AND NOT (to_jsonb(m) ? 'set_option' AND m.grantor = 10 AND to_jsonb(m) ->> 'inherit_option' = 'false' AND to_jsonb(m) ->> 'set_option' = 'false')
GROUP BY m.member
UNION ALL
SELECT 'KMS419', 'role ' || quote_ident(r.rolname),
       'a member of ' || quote_ident(owner.rolname) || CASE WHEN i.via <> i.role THEN ' through ' || pg_get_userbyid(i.via)::text ELSE '' END
       || ' that can neither become it nor use its privileges',
       (SELECT string_agg(m.remediation, ' ' ORDER BY m.remediation) FROM membership m WHERE m.member = i.via AND m.roleid = owner.oid)
FROM in_name i JOIN pg_roles r ON r.oid = i.role CROSS JOIN owner
WHERE NOT r.rolsuper AND r.oid <> owner.oid AND r.oid NOT IN (SELECT h.role FROM holder h WHERE h.code = 'KMS412')
UNION ALL
-- From 16 on, it grants only what it was given WITH ADMIN OPTION: that is a membership.
SELECT 'KMS423', 'role ' || quote_ident(r.rolname), 'CREATEROLE', format('ALTER ROLE %%I NOCREATEROLE;', r.rolname)
FROM pg_roles r
WHERE r.rolcreaterole AND NOT r.rolsuper AND r.oid NOT IN (SELECT owner.oid FROM owner)
  AND current_setting('server_version_num')::integer < 160000
UNION ALL
SELECT a.code, 'role ' || quote_ident(r.rolname), a.attribute, format('ALTER ROLE %%I NO%%s;', r.rolname, a.attribute)
FROM pg_roles r
CROSS JOIN LATERAL (VALUES ('KMS433', 'REPLICATION', r.rolreplication), ('KMS434', 'BYPASSRLS', r.rolbypassrls)) a (code, attribute, held)
WHERE a.held AND NOT r.rolsuper AND r.oid NOT IN (SELECT owner.oid FROM owner)
UNION ALL
-- Privileges on functions that only superusers have by default.
SELECT CASE f.proname WHEN 'lo_export' THEN 'KMS422' WHEN 'pg_promote' THEN 'KMS446' ELSE 'KMS433' END,
       coalesce('role ' || quote_ident(r.rolname), 'every role'), 'EXECUTE on function ' || f.oid::regprocedure::text,
       format('REVOKE EXECUTE ON FUNCTION %%s FROM %%s;', f.oid::regprocedure, coalesce(quote_ident(r.rolname), 'PUBLIC'))
FROM pg_proc f CROSS JOIN aclexplode(f.proacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE f.proname IN ('lo_export', 'lo_import', 'pg_read_file', 'pg_read_binary_file', 'pg_promote')
  AND f.pronamespace = 'pg_catalog'::regnamespace AND a.privilege_type = 'EXECUTE'
  AND a.grantee <> ALL (ARRAY[f.proowner, (SELECT oid FROM owner)]) AND r.rolsuper IS NOT true
UNION ALL
-- The hashes of passwords, in the table or the view of it.
SELECT 'KMS433', coalesce('role ' || quote_ident(r.rolname), 'every role'), 'SELECT on ' || c.oid::regclass::text,
       format('REVOKE SELECT%%s ON pg_catalog.%%I FROM %%s;', a.of_column, c.relname, coalesce(quote_ident(r.rolname), 'PUBLIC'))
FROM pg_class c
CROSS JOIN LATERAL (
    SELECT x.grantee, x.privilege_type, '' AS of_column FROM aclexplode(c.relacl) x
    UNION ALL
    SELECT x.grantee, x.privilege_type, ' (' || t.attname || ')' FROM pg_attribute t CROSS JOIN aclexplode(t.attacl) x
    WHERE t.attrelid = c.oid AND t.attname IN ('rolpassword', 'passwd')
) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE c.oid IN ('pg_catalog.pg_authid'::regclass, 'pg_catalog.pg_shadow'::regclass) AND a.privilege_type = 'SELECT'
  AND a.grantee <> ALL (ARRAY[c.relowner, (SELECT oid FROM owner)]) AND r.rolsuper IS NOT true
UNION ALL
-- Objects in pg_catalog come first in every search_path, that of the functions of the owner and of superusers included.
SELECT 'KMS425', coalesce('role ' || quote_ident(r.rolname), 'every role'), 'CREATE on schema pg_catalog',
       format('REVOKE CREATE ON SCHEMA pg_catalog FROM %%s;', coalesce(quote_ident(r.rolname), 'PUBLIC'))
FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE n.oid = 'pg_catalog'::regnamespace AND a.privilege_type = 'CREATE' AND r.rolsuper IS NOT true
UNION ALL
SELECT 'KMS438', 'role ' || quote_ident(g.rolname), 'has LOGIN', format('ALTER ROLE %%I NOLOGIN;', g.rolname)
FROM group_role g WHERE g.rolcanlogin
UNION ALL
SELECT 'KMS438', 'role ' || quote_ident(g.rolname), 'a member of ' || quote_ident(r.rolname), m.remediation
FROM group_role g JOIN membership m ON m.member = g.oid JOIN pg_roles r ON r.oid = m.roleid
UNION ALL
-- Other applications are granted it; a role with the privileges of a group role hides and locks tables of the schema by it.
SELECT 'KMS439', 'database ' || quote_ident(d.datname), 'TEMPORARY for ' || coalesce('role ' || quote_ident(r.rolname), 'PUBLIC'),
       format('REVOKE TEMPORARY ON DATABASE %%I FROM %%s;', d.datname, coalesce(quote_ident(r.rolname), 'PUBLIC'))
FROM pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE d.datname = current_database() AND a.privilege_type = 'TEMPORARY' AND a.grantee <> ALL (ARRAY[d.datdba, (SELECT oid FROM owner)])
  AND r.rolsuper IS NOT true AND EXISTS (SELECT FROM group_role g WHERE a.grantee = 0 OR pg_has_role(a.grantee, g.oid, 'MEMBER'))
UNION ALL
SELECT 'KMS302', 'schema ' || quote_ident(n.nspname), 'no USAGE for role ' || quote_ident(g.rolname),
       format('GRANT USAGE ON SCHEMA %%I TO %%I;', n.nspname, g.rolname)
FROM pg_namespace n CROSS JOIN group_role g
WHERE n.nspname = %(schema)s AND NOT has_schema_privilege(g.oid, n.oid, 'USAGE')
UNION ALL
-- Logins may have it of their own.
SELECT 'KMS302', 'database ' || quote_ident(here.datname), 'no CONNECT for role ' || quote_ident(g.rolname),
       format('GRANT CONNECT ON DATABASE %%I TO %%I;', here.datname, g.rolname)
FROM here CROSS JOIN group_role g
WHERE NOT has_database_privilege(g.oid, here.oid, 'CONNECT')
  AND (SELECT bool_and(has_database_privilege(r.oid, here.oid, 'CONNECT'))
       FROM pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper AND pg_has_role(r.oid, g.oid, 'MEMBER')) IS NOT true
UNION ALL
-- The server takes the locks of CREATE RULE, CREATE TRIGGER and others before it looks at privileges, but those on the schema.
SELECT 'KMS448', 'schema ' || quote_ident(n.nspname), 'USAGE for ' || coalesce('role ' || quote_ident(r.rolname), 'PUBLIC'),
       format('REVOKE USAGE ON SCHEMA %%I FROM %%s;', n.nspname, coalesce(quote_ident(r.rolname), 'PUBLIC'))
FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE n.nspname = %(schema)s AND a.privilege_type = 'USAGE' AND a.grantee <> ALL (ARRAY[n.nspowner, (SELECT oid FROM owner)])
  AND r.rolsuper IS NOT true AND EXISTS (SELECT FROM group_role)
  AND NOT EXISTS (SELECT FROM group_role g WHERE a.grantee <> 0 AND pg_has_role(a.grantee, g.oid, 'MEMBER'))
UNION ALL
SELECT 'KMS414', 'superusers', string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname), NULL
FROM pg_roles r WHERE r.rolsuper
HAVING count(*) > 0
