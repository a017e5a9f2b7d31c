-- Material is either here or in an HSM: a key cannot move between the two under its undestroyed versions.
-- Adding a version locks and updates its master (validate_key_version_material, record_key_version), so a
-- version that was added since the snapshot is a conflict on the row that this statement updates.
CREATE FUNCTION {schema}.validate_key_master_custody() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM {schema}.key_versions WHERE key_id = NEW.id AND destroyed_at IS NULL) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'hsm_key_id', CONSTRAINT = TG_NAME,
            MESSAGE = format(
                '%s: key %L has versions with material: it may not move %s', TG_NAME, NEW.key_id,
                CASE WHEN NEW.hsm_key_id IS NULL THEN 'out of its HSM' ELSE 'into an HSM' END
            ),
            HINT = 'Make a new key there and let it supersede this one.';
    END IF;
    RETURN NEW;
END
$$
