-- Revoking a key ends its live version in the same statement. SECURITY DEFINER: a role that may revoke a key needs no
-- privileges on its versions, and row-level security must not hide one.
CREATE FUNCTION {schema}.enforce_key_lifecycle_consistency_end_live_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE {schema}.key_versions
    SET deactivated_at = greatest(now(), activated_at)
    WHERE key_id = NEW.id AND activated_at IS NOT NULL AND deactivated_at IS NULL;
    RETURN NULL; -- the result of an AFTER trigger is ignored
END
$$
