-- TRUNCATE fires no trigger for a row, so it would leave no entry.
CREATE FUNCTION {schema}.prevent_unrecorded_truncate() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
        MESSAGE = format('%s: TRUNCATE of %s is refused: no entry would say what was removed', TG_NAME, TG_TABLE_NAME),
        HINT = 'DELETE the rows instead.';
END
$$
