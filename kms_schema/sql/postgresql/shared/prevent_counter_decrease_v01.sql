-- Usage counters never decrease. The trigger's WHEN clause detects a decrease, and this function only raises the error:
-- counting use, the hot path, calls no function.
CREATE FUNCTION {schema}.prevent_counter_decrease() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before CONSTANT jsonb := to_jsonb(OLD);
    after CONSTANT jsonb := to_jsonb(NEW);
    counter text;
BEGIN
    FOREACH counter IN ARRAY TG_ARGV LOOP
        IF (after ->> counter)::bigint < (before ->> counter)::bigint THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = counter, CONSTRAINT = TG_NAME,
                MESSAGE = format(
                    '%s: %I may not decrease (from %s to %s)', TG_NAME, counter, before ->> counter, after ->> counter
                );
        END IF;
    END LOOP;
    RETURN NEW;
END
$$
