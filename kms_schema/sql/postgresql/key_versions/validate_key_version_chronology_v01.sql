-- created <= activated <= deactivated <= destroyed, and history is not rewritten: a version is activated and destroyed
-- once. deactivated_at may be cleared (rollback of a rotation), which counts as an activation.
--
-- Nor are numbers used up: one far above the others would leave none for the versions to come. A history that lacks many
-- is imported from its newest version on, or restored. SECURITY DEFINER: no policy hides the highest.
CREATE FUNCTION {schema}.validate_key_version_chronology() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fault text;
    highest bigint;
BEGIN
    fault := CASE
        WHEN NEW.activated_at < NEW.created_at THEN 'activated_at is before created_at'
        WHEN NEW.deactivated_at < NEW.activated_at THEN 'deactivated_at is before activated_at'
        WHEN NEW.deactivated_at IS NOT NULL AND NEW.activated_at IS NULL THEN 'deactivated_at without activated_at'
        WHEN NEW.destroyed_at IS NOT NULL AND NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL
            THEN 'a live version may not be destroyed: deactivate it first'
        WHEN NEW.destroyed_at < NEW.deactivated_at THEN 'destroyed_at is before deactivated_at'
        WHEN NEW.destroyed_at < NEW.created_at THEN 'destroyed_at is before created_at'
    END;
    IF fault IS NULL AND TG_OP = 'UPDATE' THEN
        fault := CASE
            WHEN NEW.activated_at IS DISTINCT FROM OLD.activated_at AND OLD.activated_at IS NOT NULL
                THEN 'activated_at may not change once it is set'
            WHEN NEW.destroyed_at IS DISTINCT FROM OLD.destroyed_at AND OLD.destroyed_at IS NOT NULL
                THEN 'destroyed_at may not change once it is set'
            WHEN OLD.destroyed_at IS NOT NULL
                AND (NEW.activated_at, NEW.deactivated_at) IS DISTINCT FROM (OLD.activated_at, OLD.deactivated_at)
                THEN 'a destroyed version may not be activated or deactivated'
        END;
    END IF;
    IF fault IS NULL AND TG_OP = 'INSERT' AND NEW.version_number > 100 THEN
        SELECT max(version_number)::bigint INTO highest FROM {schema}.key_versions WHERE key_id = NEW.key_id;
        IF NEW.version_number > coalesce(highest + 100, 1000000) AND NOT (
            coalesce(current_setting('kms.restore', true), '') = 'on'
            AND pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER')
        ) THEN
            fault := format('version_number is above %s', coalesce(highest + 100, 1000000));
        END IF;
    END IF;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format(
                '%s: version %s of key %s: %s', TG_NAME, NEW.version_number, NEW.key_id, fault
            ),
            DETAIL = format(
                'created_at %s, activated_at %s, deactivated_at %s, destroyed_at %s',
                NEW.created_at, NEW.activated_at, NEW.deactivated_at, NEW.destroyed_at
            );
    END IF;
    RETURN NEW;
END
$$
