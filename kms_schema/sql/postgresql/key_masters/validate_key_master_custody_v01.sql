-- Material is either in the database or in an HSM: a key with undestroyed versions cannot move between the two. Adding
-- a version locks and updates its key (validate_key_version_material, record_key_version), so a version added since the
-- snapshot conflicts on the row that this statement updates.
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
            HINT = 'Create a new key there that replaces this one.';
    END IF;
    RETURN NEW;
END
$$
