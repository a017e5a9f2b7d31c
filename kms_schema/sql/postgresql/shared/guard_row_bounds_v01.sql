-- Bounds texts and documents: no row prints so long that it could not be read, reported or dumped, and what a change
-- writes into an audit entry fits into one. The trigger's arguments are columns, each with its most bytes.
--
-- A database of another encoding than UTF8 can store bytes that UTF-8 has no character for. Programs read texts in UTF-8,
-- and one such row would keep them from reading all others.
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
    fault text;
BEGIN
    WHILE place < TG_NARGS LOOP
        IF NOT (CASE jsonb_typeof(given -> TG_ARGV[place])
            WHEN 'null' THEN true
            WHEN 'string' THEN octet_length(given ->> TG_ARGV[place]) <= TG_ARGV[place + 1]::integer
            ELSE {schema}.kms_is_bounded(given -> TG_ARGV[place], TG_ARGV[place + 1]::integer, false)
        END) THEN
            fault := format('has more than %s bytes, 16 levels, or 400 digits in a number', TG_ARGV[place + 1]);
        ELSIF current_setting('server_encoding') <> 'UTF8' THEN
            BEGIN
                PERFORM convert_to(given ->> TG_ARGV[place], 'UTF8');
            EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
                fault := 'has bytes that are no characters in UTF-8';
            END;
        END IF;
        IF fault IS NOT NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[place], CONSTRAINT = TG_NAME,
                MESSAGE = format('%s: %I %s', TG_NAME, TG_ARGV[place], fault);
        END IF;
        place := place + 2;
    END LOOP;
    RETURN NEW;
END
$$
