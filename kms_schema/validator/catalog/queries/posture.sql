-- Roles, settings and objects that can bypass the protections. Each part of the query (posture_*.sql) returns rows of a code, an object, what was observed,
-- and the SQL that fixes it; rows of the same code and object are one finding.
WITH RECURSIVE owner AS (
    SELECT r.oid, r.rolname, r.rolcanlogin, r.rolsuper FROM pg_roles r WHERE r.rolname = %(owner)s
), here AS (
    SELECT d.oid, d.datname, d.datdba FROM pg_database d WHERE d.datname = current_database()
), membership AS (
    -- The options of a membership: before 16, SET ROLE always. A superuser's role is granted by superusers alone.
    SELECT m.roleid, m.member, m.admin_option AND NOT r.rolsuper AS may_grant,
           coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true) AS may_use,
           coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) AS may_become,
           format('REVOKE %%I FROM %%I', r.rolname, pg_get_userbyid(m.member))
           || CASE WHEN to_jsonb(m) ? 'set_option' THEN format(' GRANTED BY %%I', pg_get_userbyid(m.grantor)) ELSE '' END
           || CASE WHEN EXISTS (SELECT FROM pg_auth_members d WHERE d.roleid = m.roleid AND d.grantor = m.member) THEN ' CASCADE' ELSE '' END
           || ';' AS remediation
    FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
    UNION ALL
    SELECT r.oid, here.datdba, false, true, true, NULL FROM here JOIN pg_roles r ON r.rolname = 'pg_database_owner'
), role_of_power AS (
    SELECT 'KMS412' AS code, owner.oid FROM owner
    UNION ALL
    -- The role that owns the function for expired entries.
    SELECT 'KMS455', f.proowner
    FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace AND n.nspname = %(schema)s JOIN pg_roles r ON r.oid = f.proowner
    WHERE f.proname = 'remove_expired_key_audit_logs' AND f.pronargs = 0 AND NOT r.rolsuper AND r.oid NOT IN (SELECT owner.oid FROM owner)
    UNION ALL
    SELECT CASE r.rolname
               WHEN 'pg_execute_server_program' THEN 'KMS422' WHEN 'pg_write_server_files' THEN 'KMS422'
               WHEN 'pg_write_all_data' THEN 'KMS426' WHEN 'pg_create_subscription' THEN 'KMS427'
               WHEN 'pg_read_all_data' THEN 'KMS432' WHEN 'pg_read_server_files' THEN 'KMS433'
               WHEN 'pg_maintain' THEN 'KMS435' WHEN 'pg_signal_backend' THEN 'KMS446' ELSE 'KMS421'
           END, r.oid
    FROM pg_roles r
    WHERE (r.rolsuper OR r.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_write_all_data',
                                       'pg_create_subscription', 'pg_read_all_data', 'pg_read_server_files', 'pg_maintain', 'pg_signal_backend'))
      AND r.oid NOT IN (SELECT owner.oid FROM owner)
), way AS (
    -- Backwards from each of them: `whole` is a role that a session has to become to go on, and not only to have the privileges of,
    -- since SET ROLE asks what the login role may become. `via` is the direct member. The owner and superusers
    -- are left out.
    SELECT p.code, p.oid AS target, NULL::oid AS via, p.oid AS role, state.whole
    FROM role_of_power p CROSS JOIN (VALUES (true), (false)) state (whole)
    UNION
    SELECT w.code, w.target, coalesce(w.via, m.member), m.member, state.whole
    FROM way w
    JOIN membership m ON m.roleid = w.role
    JOIN pg_roles r ON r.oid = m.member AND NOT r.rolsuper
    CROSS JOIN (VALUES (true), (false)) state (whole)
    WHERE m.member NOT IN (SELECT owner.oid FROM owner)
      AND CASE WHEN w.whole THEN m.may_grant OR (m.may_become AND state.whole) ELSE m.may_use END
), holder AS (
    SELECT DISTINCT w.code, w.target, w.via, w.role FROM way w WHERE w.whole AND w.via IS NOT NULL
), in_name AS (
    -- Members of the owner for the guard trigger of the audit log (pg_has_role), with any options of the membership.
    SELECT m.member AS via, m.member AS role FROM membership m JOIN owner ON m.roleid = owner.oid
    UNION
    SELECT i.via, m.member FROM in_name i JOIN membership m ON m.roleid = i.role
), group_role AS (
    -- The group roles of `kms-schema roles`: its policies name them.
    SELECT DISTINCT r.oid, r.rolname, r.rolcanlogin
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid AND c.relname = 'key_audit_logs' AND c.oid = ANY (%(ours)s::oid[])
    CROSS JOIN unnest(p.polroles) AS named (role) JOIN pg_roles r ON r.oid = named.role
    WHERE p.polname IN ('key_audit_logs_add', 'key_audit_logs_read_all', 'key_audit_logs_read_own')
), setting AS (
    SELECT coalesce('role ' || quote_ident(r.rolname), 'every role') || coalesce(' in database ' || quote_ident(d.datname), '') AS scope,
           s.word,
           CASE WHEN r.oid IS NULL AND d.oid IS NOT NULL THEN 'ALTER DATABASE ' || quote_ident(d.datname)
                ELSE 'ALTER ROLE ' || coalesce(quote_ident(r.rolname), 'ALL') || coalesce(' IN DATABASE ' || quote_ident(d.datname), '')
           END || ' RESET ' || split_part(s.word, '=', 1) || ';' AS remediation
    FROM pg_db_role_setting b
    LEFT JOIN pg_roles r ON r.oid = b.setrole
    LEFT JOIN pg_database d ON d.oid = b.setdatabase
    CROSS JOIN unnest(b.setconfig) AS s (word)
    WHERE b.setdatabase = 0 OR d.datname = current_database()
)
