-- Usage counters never decrease, and those of a version grow by a bounded number at once: otherwise a login that counts
-- could use up a key for ever in one statement. The trigger's WHEN clause detects both, and this function only raises the
-- error: counting use, the hot path, calls no function. Beyond the maximum of a counter a CHECK refuses.
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
    IF (after ->> 'usage_count')::bigint <= 1000000000000000
        AND (after ->> 'data_volume_bytes')::bigint <= 9007199254740992
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: a statement may add at most 16777216 uses and 1 TiB to a version', TG_NAME),
            HINT = 'Count in several statements.';
    END IF;
    RETURN NEW;
END
$$
