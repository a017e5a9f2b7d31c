-- Privileges on settings of the server (15 and later). A setting that runs a program, loads a library or configures login gives
-- the power of a superuser.
SELECT CASE p.parname WHEN 'session_replication_role' THEN 'KMS424' WHEN 'event_triggers' THEN 'KMS444' ELSE 'KMS425' END,
       coalesce('role ' || quote_ident(r.rolname), 'every role'), a.privilege_type || ' on ' || p.parname,
       format('REVOKE %%s ON PARAMETER %%s FROM %%s;', a.privilege_type, p.parname, coalesce(quote_ident(r.rolname), 'PUBLIC'))
FROM pg_parameter_acl p CROSS JOIN aclexplode(p.paracl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE r.rolsuper IS NOT true AND a.grantee NOT IN (SELECT owner.oid FROM owner)
  AND (p.parname IN ('session_replication_role', 'event_triggers', 'session_preload_libraries')
       OR (a.privilege_type = 'ALTER SYSTEM'
           AND p.parname IN ('archive_cleanup_command', 'archive_command', 'archive_library', 'hba_file', 'ident_file', 'jit_provider',
                             'local_preload_libraries', 'recovery_end_command', 'restore_command', 'shared_preload_libraries',
                             'ssl_passphrase_command')))
