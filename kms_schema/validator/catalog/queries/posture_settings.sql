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
SELECT 'KMS411', 'role ' || quote_ident(rolname), CASE WHEN rolsuper THEN 'a superuser with LOGIN' ELSE 'has LOGIN' END, NULL
FROM owner WHERE rolcanlogin
UNION ALL
SELECT 'KMS416', 'default privileges of ' || quote_ident(owner.rolname) || coalesce(' in schema ' || quote_ident(n.nspname), ''),
       CASE p.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' ELSE 'others' END
       || ': ' || array_to_string(p.defaclacl, ', '), NULL
FROM pg_default_acl p JOIN owner ON owner.oid = p.defaclrole LEFT JOIN pg_namespace n ON n.oid = p.defaclnamespace
WHERE p.defaclnamespace = 0 OR n.nspname = %(schema)s
