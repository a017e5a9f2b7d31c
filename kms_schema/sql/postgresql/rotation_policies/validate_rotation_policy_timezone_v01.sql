-- A rotation window in an unknown time zone never opens. AT TIME ZONE is no check: it accepts any "abbreviation plus
-- offset" as a POSIX zone. Policies are rarely written, so reading the zone files is cheap enough.
CREATE FUNCTION {schema}.validate_rotation_policy_timezone() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.timezone <> 'UTC' AND NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = NEW.timezone) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'timezone', CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: policy %L: there is no time zone %L', TG_NAME, NEW.policy_name, NEW.timezone),
            HINT = 'Use a name of the IANA database, such as Europe/Berlin.';
    END IF;
    RETURN NEW;
END
$$
