-- Allowed changes of a key's status, and the time of the current one. CHECK constraints cover INSERT: an import gives
-- the times of its status.
CREATE FUNCTION {schema}.enforce_key_lifecycle_consistency() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- kms_schema.vocabulary.KEY_LIFECYCLE; a test compares the two.
    lifecycle CONSTANT jsonb := '{
        "pending": ["active", "revoked"],
        "active": ["rotated", "expired", "revoked"],
        "rotated": ["expired", "archived", "revoked"],
        "expired": ["archived", "revoked"],
        "revoked": ["archived"],
        "archived": []
    }';
BEGIN
    IF NEW.status IS NOT DISTINCT FROM OLD.status THEN
        RETURN NEW;
    END IF;
    IF jsonb_exists(lifecycle -> OLD.status::text, NEW.status::text) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'status', CONSTRAINT = TG_NAME,
            MESSAGE = format(
                '%s: key %L: status may not change from %s to %s', TG_NAME, OLD.key_id, OLD.status, NEW.status
            ),
            HINT = format('Allowed from %s: %s.', OLD.status, lifecycle -> OLD.status::text);
    END IF;
    -- Fills in a time that the caller did not give; rotated_at may contain the time of an earlier rotation.
    CASE NEW.status
        WHEN 'active' THEN
            IF NEW.activated_at IS NOT DISTINCT FROM OLD.activated_at THEN NEW.activated_at := now(); END IF;
        WHEN 'rotated' THEN
            IF NEW.rotated_at IS NOT DISTINCT FROM OLD.rotated_at THEN NEW.rotated_at := now(); END IF;
        WHEN 'expired' THEN
            IF NEW.expired_at IS NOT DISTINCT FROM OLD.expired_at THEN NEW.expired_at := now(); END IF;
        WHEN 'revoked' THEN
            IF NEW.revoked_at IS NOT DISTINCT FROM OLD.revoked_at THEN NEW.revoked_at := now(); END IF;
        WHEN 'archived' THEN
            IF NEW.archived_at IS NOT DISTINCT FROM OLD.archived_at THEN NEW.archived_at := now(); END IF;
    END CASE;
    RETURN NEW;
END
$$
