-- A tombstone is for a beginning of the trail, all of which is sealed and past its retention period. It comes with the
-- newest seal, which has to be signed; whether it is signed over this tombstone, and by whom, `audit verify` looks at.
-- SECURITY DEFINER: row-level security must hide no entry from it.
CREATE FUNCTION {schema}.guard_key_audit_tombstone_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    seal {schema}.key_audit_seals;
    before record;
    page record;
    kept record;
    fault text;
BEGIN
    SELECT * INTO seal FROM ONLY {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1;
    SELECT * INTO before FROM ONLY {schema}.key_audit_tombstones ORDER BY seal_number DESC LIMIT 1;
    SELECT first_leaf + length(hashes) / 32 AS leaf_count, first_sequence + length(hashes) / 32 - 1 AS last_sequence
    INTO page FROM ONLY {schema}.key_audit_leaves
    WHERE first_sequence <= NEW.last_sequence ORDER BY first_sequence DESC LIMIT 1;
    SELECT sequence, "timestamp" + make_interval(hours => 24 * retention_period_days) AS until
    INTO kept FROM ONLY {schema}.key_audit_logs
    WHERE sequence <= NEW.last_sequence
        AND ("timestamp" + make_interval(hours => 24 * retention_period_days) <= clock_timestamp()) IS NOT TRUE
    ORDER BY sequence LIMIT 1;
    fault := CASE
        WHEN NEW.seal_number IS DISTINCT FROM seal.seal_number
            THEN format('it comes with the newest seal, %s, not %s', coalesce(seal.seal_number, 0), NEW.seal_number)
        WHEN seal.signature IS NULL
            THEN format('seal %s is not signed', seal.seal_number)
        WHEN NEW.leaf_count <= before.leaf_count OR NEW.last_sequence <= before.last_sequence
            THEN format('the tombstone of seal %s reaches as far', before.seal_number)
        WHEN (page.leaf_count, page.last_sequence) IS DISTINCT FROM (NEW.leaf_count, NEW.last_sequence)
            THEN format('no page of leaves ends with leaf %s and sequence %s', NEW.leaf_count - 1, NEW.last_sequence)
        WHEN EXISTS (
            SELECT FROM ONLY {schema}.key_audit_leaves
            WHERE (first_leaf < NEW.leaf_count) <> (first_sequence <= NEW.last_sequence)
        ) OR EXISTS (SELECT FROM jsonb_array_elements(seal.open_gaps) AS gap WHERE (gap ->> 0)::bigint <= NEW.last_sequence)
            THEN format('an entry before sequence %s was sealed later, or may be', NEW.last_sequence)
        WHEN kept.sequence IS NOT NULL
            THEN format('the entry with sequence %s is to be kept until %s', kept.sequence, kept.until)
    END;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: %s', TG_NAME, fault),
            HINT = 'End a retention period with kms-schema audit retain.';
    END IF;
    RETURN NEW;
END
$$
