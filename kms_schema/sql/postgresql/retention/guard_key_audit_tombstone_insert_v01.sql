-- A tombstone covers the first leaves of the tree; the entries of all of them are past their retention period. It ends
-- with the leaf of the highest sequence among them, and all their entries are there. An entry with a lower sequence
-- that was sealed later, or is not sealed yet, stays: otherwise a transaction that is open over a seal would keep every
-- tombstone from being written. Earlier tombstones were checked when they were inserted, and
-- prevent_key_audit_log_delete checks each entry again.
--
-- A tombstone belongs to the newest seal, which must be signed. `audit verify` checks that the signature covers the
-- tombstone, and which key made it. SECURITY DEFINER: row-level security must not hide entries from this check.
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
    SELECT entry.* INTO kept FROM ONLY {schema}.key_audit_leaves AS leaves
    CROSS JOIN LATERAL (
        SELECT sequence, "timestamp" + make_interval(hours => 24 * retention_period_days) AS until
        FROM ONLY {schema}.key_audit_logs
        WHERE sequence BETWEEN leaves.first_sequence AND leaves.first_sequence + length(leaves.hashes) / 32 - 1
            AND ("timestamp" + make_interval(hours => 24 * retention_period_days) <= clock_timestamp()) IS NOT TRUE
        ORDER BY sequence LIMIT 1
    ) AS entry
    WHERE leaves.first_leaf >= coalesce(before.leaf_count, 0) AND leaves.first_leaf < NEW.leaf_count
    ORDER BY leaves.first_leaf LIMIT 1;
    fault := CASE
        WHEN NEW.seal_number IS DISTINCT FROM seal.seal_number
            THEN format('a tombstone belongs to the newest seal, %s, not %s', coalesce(seal.seal_number, 0), NEW.seal_number)
        WHEN seal.signature IS NULL
            THEN format('seal %s is not signed', seal.seal_number)
        WHEN NEW.leaf_count <= before.leaf_count OR NEW.last_sequence <= before.last_sequence
            THEN format('the tombstone of seal %s already covers these entries', before.seal_number)
        WHEN (page.leaf_count, page.last_sequence) IS DISTINCT FROM (NEW.leaf_count, NEW.last_sequence)
            THEN format('no page of leaves ends with leaf %s and sequence %s', NEW.leaf_count - 1, NEW.last_sequence)
        WHEN EXISTS (
            SELECT FROM ONLY {schema}.key_audit_leaves
            WHERE first_leaf >= coalesce(before.leaf_count, 0) AND first_leaf < NEW.leaf_count
                AND first_sequence > NEW.last_sequence
        )
            THEN format('the leaves before %s have a higher sequence than %s', NEW.leaf_count, NEW.last_sequence)
        WHEN kept.sequence IS NOT NULL
            THEN format('the retention period of the entry with sequence %s ends at %s', kept.sequence, kept.until)
        WHEN EXISTS (
            SELECT FROM ONLY {schema}.key_audit_leaves AS leaves
            WHERE leaves.first_leaf >= coalesce(before.leaf_count, 0) AND leaves.first_leaf < NEW.leaf_count
                AND length(leaves.hashes) / 32 <> (
                    SELECT count(*) FROM ONLY {schema}.key_audit_logs
                    WHERE sequence BETWEEN leaves.first_sequence AND leaves.first_sequence + length(leaves.hashes) / 32 - 1
                )
        )
            THEN format('an entry of the leaves before %s is gone', NEW.leaf_count)
    END;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: %s', TG_NAME, fault),
            HINT = 'Remove expired entries with kms-schema audit retain.';
    END IF;
    RETURN NEW;
END
$$
