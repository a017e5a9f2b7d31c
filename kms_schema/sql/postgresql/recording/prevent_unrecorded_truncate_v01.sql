-- TRUNCATE fires no row triggers, so it would write no audit entries.
CREATE FUNCTION {schema}.prevent_unrecorded_truncate() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
        MESSAGE = format('%s: TRUNCATE of %s is refused: it would write no audit entries', TG_NAME, TG_TABLE_NAME),
        HINT = 'DELETE the rows instead.';
END
$$
