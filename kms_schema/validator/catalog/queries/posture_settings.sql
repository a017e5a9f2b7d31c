-- Settings, and the owner itself.
SELECT 'KMS401' AS code, 'setting of ' || scope AS about, word AS observed, remediation
FROM setting WHERE word ~* '^session_replication_role=(replica|local)$'
UNION ALL
-- Settings of the server; the session's own setting is not that of others.
SELECT 'KMS401', 'setting of the server', name || '=' || setting, NULL FROM pg_settings
WHERE name = 'session_replication_role' AND setting <> 'origin' AND source IN ('configuration file', 'command line', 'environment variable')
UNION ALL
SELECT 'KMS402', 'setting of ' || scope, word, remediation FROM setting WHERE word ~* '^kms\.restore=on$'
UNION ALL
SELECT 'KMS456', 'setting of ' || scope, word, remediation FROM setting WHERE word ~* '^kms\.' AND word !~* '^kms\.restore=on$'
UNION ALL
-- No catalog has settings of these names in the server's configuration: the value of this session is compared.
SELECT CASE s.name WHEN 'kms.restore' THEN 'KMS402' ELSE 'KMS456' END, 'setting of the server, or of this session', s.name || '=' || current_setting(s.name, true), NULL
FROM (VALUES ('kms.restore', 'on'), ('kms.notices', 'off'), ('kms.actor', NULL)) s (name, reported)
WHERE current_setting(s.name, true) = coalesce(s.reported, nullif(current_setting(s.name, true), ''))
  AND NOT EXISTS (SELECT FROM pg_db_role_setting b CROSS JOIN unnest(b.setconfig) AS d (word) CROSS JOIN here
                  WHERE d.word ILIKE s.name || '=%%' AND b.setdatabase IN (0, here.oid)
                    AND b.setrole IN (0, (SELECT r.oid FROM pg_roles r WHERE r.rolname = session_user)))
UNION ALL
SELECT 'KMS411', 'role ' || quote_ident(rolname), CASE WHEN rolsuper THEN 'a superuser with LOGIN' ELSE 'has LOGIN' END, NULL
FROM owner WHERE rolcanlogin
UNION ALL
SELECT 'KMS416', 'default privileges of ' || quote_ident(owner.rolname) || coalesce(' in schema ' || quote_ident(n.nspname), ''),
       CASE p.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' ELSE 'others' END
       || ': ' || array_to_string(p.defaclacl, ', '), NULL
FROM pg_default_acl p JOIN owner ON owner.oid = p.defaclrole LEFT JOIN pg_namespace n ON n.oid = p.defaclnamespace
WHERE p.defaclnamespace = 0 OR n.nspname = %(schema)s
