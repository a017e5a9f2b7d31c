-- Versions are deleted only with their key: the cascade fires this trigger after the key's row is deleted. SECURITY
-- DEFINER: row-level security must not hide the key from this check.
CREATE FUNCTION {schema}.prevent_key_version_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: TRUNCATE of key versions is refused', TG_NAME),
            HINT = 'Destroy the version instead: set destroyed_at.';
    END IF;
    IF EXISTS (SELECT FROM {schema}.key_masters WHERE id = OLD.key_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format(
                '%s: version %s of key %s may only be deleted with its key', TG_NAME, OLD.version_number, OLD.key_id
            ),
            HINT = 'Destroy the version instead: set destroyed_at.';
    END IF;
    RETURN OLD;
END
$$
