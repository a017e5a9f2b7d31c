-- Bounds texts and documents: no row prints so long that it could not be read, reported or dumped, and what a change
-- writes into an audit entry fits into one. The trigger's arguments are columns, each with its most bytes.
--
-- A trigger, not constraints: the error of a constraint prints the whole row into its DETAIL. SECURITY DEFINER: clients
-- need no privilege on kms_is_bounded.
CREATE FUNCTION {schema}.guard_row_bounds() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given CONSTANT jsonb := to_jsonb(NEW);
    place integer := 0;
    bounded boolean;
BEGIN
    WHILE place < TG_NARGS LOOP
        bounded := CASE jsonb_typeof(given -> TG_ARGV[place])
            WHEN 'null' THEN true
            WHEN 'string' THEN octet_length(given ->> TG_ARGV[place]) <= TG_ARGV[place + 1]::integer
            ELSE {schema}.kms_is_bounded(given -> TG_ARGV[place], TG_ARGV[place + 1]::integer, false)
        END;
        IF NOT bounded THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[place], CONSTRAINT = TG_NAME,
                MESSAGE = format(
                    '%s: %I has more than %s bytes, 16 levels, or 400 digits in a number',
                    TG_NAME, TG_ARGV[place], TG_ARGV[place + 1]
                );
        END IF;
        place := place + 2;
    END LOOP;
    RETURN NEW;
END
$$
