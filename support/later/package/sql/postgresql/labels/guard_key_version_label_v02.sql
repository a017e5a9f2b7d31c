-- A label is not blank, whatever the blanks are.
CREATE FUNCTION {schema}.guard_key_version_label() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF btrim(NEW.label, E' \t\n\r') = '' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: a label may not be blank', TG_NAME);
    END IF;
    RETURN NEW;
END
$$
