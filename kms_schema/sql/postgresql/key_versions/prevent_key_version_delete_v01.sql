-- Versions go only with their master: the cascade arrives here after the master's row is gone.
-- SECURITY DEFINER, so that no policy hides the master from the rule.
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
            HINT = 'A version ends by destruction (destroyed_at), and goes with its key.';
    END IF;
    IF EXISTS (SELECT FROM {schema}.key_masters WHERE id = OLD.key_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format(
                '%s: version %s of key %s may only go with its key', TG_NAME, OLD.version_number, OLD.key_id
            ),
            HINT = 'A version ends by destruction (destroyed_at), and goes with its key.';
    END IF;
    RETURN OLD;
END
$$
