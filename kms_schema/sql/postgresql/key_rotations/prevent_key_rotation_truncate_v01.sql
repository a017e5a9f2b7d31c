-- Rotations are history and outlive their policy, but TRUNCATE rotation_policies CASCADE would remove them.
CREATE FUNCTION {schema}.prevent_key_rotation_truncate() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
        MESSAGE = format('%s: TRUNCATE of key rotations is refused', TG_NAME),
        HINT = 'DELETE policies instead; their rotations remain.';
END
$$
