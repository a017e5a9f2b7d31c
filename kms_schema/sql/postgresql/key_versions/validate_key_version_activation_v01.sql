-- No version of a revoked, expired or archived key can be activated. The lock makes a concurrent change of the key's
-- status wait, or fail under REPEATABLE READ; record_key_version then updates the row, so that a change of status whose
-- snapshot is older fails too (40001).
CREATE FUNCTION {schema}.validate_key_version_activation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    master record;
BEGIN
    IF NEW.activated_at IS NULL OR NEW.deactivated_at IS NOT NULL THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.activated_at IS NOT NULL AND OLD.deactivated_at IS NULL THEN
        RETURN NEW; -- already live
    END IF;
    SELECT key_id, status INTO master FROM {schema}.key_masters WHERE id = NEW.key_id FOR NO KEY UPDATE;
    IF master.status IN ('revoked', 'expired', 'archived') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'activated_at', CONSTRAINT = TG_NAME,
            MESSAGE = format(
                '%s: version %s may not be activated: key %L is %s',
                TG_NAME, NEW.version_number, master.key_id, master.status
            );
    END IF;
    RETURN NEW;
END
$$
