-- The objects of `kms-schema harden`: rows with a code of their own, and catalog attributes as JSON in place of what was observed.
-- An owner is another's where the owner of the tables is neither that role nor may become it.
SELECT 'hardening', 'event trigger ' || e.evtname, jsonb_build_object(
           'event', e.evtevent, 'enabled', e.evtenabled, 'tags', to_jsonb(e.evttags), 'function', n.nspname || '.' || f.proname,
           'another''s', r.rolsuper OR NOT pg_has_role(owner.oid, r.oid, 'MEMBER'))::text, NULL
FROM pg_event_trigger e JOIN pg_proc f ON f.oid = e.evtfoid JOIN pg_namespace n ON n.oid = f.pronamespace
JOIN pg_roles r ON r.oid = e.evtowner CROSS JOIN owner
WHERE e.evtname = ANY (%(event_triggers)s)
UNION ALL
SELECT 'hardening', 'function ' || n.nspname || '.' || f.proname, jsonb_build_object(
           'body', f.prosrc, 'language', l.lanname, 'security_definer', f.prosecdef, 'settings', to_jsonb(f.proconfig),
           'privileges', (SELECT to_jsonb(array_agg(DISTINCT coalesce(pg_get_userbyid(nullif(a.grantee, 0)), 'PUBLIC')))
                      FROM aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a WHERE a.grantee <> f.proowner),
           'another''s', r.rolsuper OR NOT pg_has_role(owner.oid, r.oid, 'MEMBER'))::text, NULL
FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace JOIN pg_language l ON l.oid = f.prolang
JOIN pg_roles r ON r.oid = f.proowner CROSS JOIN owner
WHERE n.nspname = %(hardening)s
UNION ALL
SELECT 'hardening', 'schema ' || n.nspname, jsonb_build_object(
           'privileges', (SELECT to_jsonb(array_agg(DISTINCT coalesce(pg_get_userbyid(nullif(a.grantee, 0)), 'PUBLIC')))
                      FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner),
           'another''s', r.rolsuper OR NOT pg_has_role(owner.oid, r.oid, 'MEMBER'))::text, NULL
FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner CROSS JOIN owner
WHERE n.nspname = %(hardening)s
UNION ALL
-- From 17 on, a setting disables all event triggers.
SELECT 'KMS443', 'setting of ' || scope, word, remediation FROM setting
WHERE word ~* '^event_triggers=' AND split_part(word, '=', 2) !~* '^(on|t|tr|tru|true|y|ye|yes|1)$'
  AND EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = ANY (%(event_triggers)s))
UNION ALL
SELECT 'KMS443', 'setting of the server', name || '=' || setting, NULL FROM pg_settings
WHERE name = 'event_triggers' AND setting = 'off' AND source IN ('configuration file', 'command line', 'environment variable')
  AND EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = ANY (%(event_triggers)s))
