-- Whether this is a restore: kms.restore = on, in a session whose login role is or belongs to the owner of the trail.
CREATE FUNCTION {schema}.kms_restoring() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(current_setting('kms.restore', true), '') = 'on'
        AND pg_has_role(session_user, relowner, 'MEMBER')
    FROM pg_class WHERE oid = '{schema}.key_audit_logs'::regclass
$$
