-- True during a restore: kms.restore is on, and the login role is the owner of the audit log or a member of it.
CREATE FUNCTION {schema}.kms_restoring() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(current_setting('kms.restore', true), '') = 'on'
        AND pg_has_role(session_user, relowner, 'MEMBER')
    FROM pg_class WHERE oid = '{schema}.key_audit_logs'::regclass
$$
