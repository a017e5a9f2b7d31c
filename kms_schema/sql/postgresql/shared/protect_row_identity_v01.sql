-- The identity columns of a row never change. They are the trigger's arguments. Shared by all tables.
CREATE FUNCTION {schema}.protect_row_identity() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before CONSTANT jsonb := to_jsonb(OLD);
    after CONSTANT jsonb := to_jsonb(NEW);
    fixed text;
BEGIN
    FOREACH fixed IN ARRAY TG_ARGV LOOP
        IF before -> fixed IS DISTINCT FROM after -> fixed THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = fixed, CONSTRAINT = TG_NAME,
                MESSAGE = format(
                    '%s: %I may not change (from %s to %s)', TG_NAME, fixed, before -> fixed, after -> fixed
                );
        END IF;
    END LOOP;
    RETURN NEW;
END
$$
