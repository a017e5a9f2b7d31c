-- Rotations are history, and a deleted policy leaves them: TRUNCATE rotation_policies CASCADE would take them along.
CREATE FUNCTION {schema}.prevent_key_rotation_truncate() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
        MESSAGE = format('%s: TRUNCATE of key rotations is refused', TG_NAME),
        HINT = 'DELETE policies instead: their rotations stay.';
END
$$
