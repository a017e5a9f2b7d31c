-- Entries are written once: refuses UPDATE, DELETE and TRUNCATE. It raises an error, since returning NULL would
-- silently skip the row.
--
-- Entries past their retention period can be removed once a sealed tombstone covers them, and only by the role that
-- owns remove_expired_key_audit_logs(). While that is the owner of the audit log, no entry can be removed. A tombstone
-- covers the entries of the first leaves, not every lower sequence.
CREATE FUNCTION {schema}.prevent_key_audit_log_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fault text;
BEGIN
    IF TG_OP = 'DELETE' AND current_user = (
        SELECT pg_get_userbyid(function.proowner)
        FROM pg_proc AS function, pg_class AS trail
        WHERE function.oid = to_regprocedure('{schema}.remove_expired_key_audit_logs()')
            AND trail.oid = TG_RELID AND trail.relowner <> function.proowner
    ) THEN
        fault := CASE
            WHEN (OLD."timestamp" + make_interval(hours => 24 * OLD.retention_period_days) <= clock_timestamp()) IS NOT TRUE
                THEN 'its retention period has not ended'
            WHEN NOT EXISTS (
                SELECT FROM (
                    SELECT first_leaf, first_sequence + length(hashes) / 32 AS following
                    FROM ONLY {schema}.key_audit_leaves
                    WHERE first_sequence <= OLD.sequence ORDER BY first_sequence DESC LIMIT 1
                ) AS page
                JOIN {schema}.key_audit_tombstones AS tombstone ON tombstone.leaf_count > page.first_leaf
                JOIN {schema}.key_audit_seals AS seal ON seal.seal_number = tombstone.seal_number
                WHERE OLD.sequence < page.following AND tombstone.last_sequence >= OLD.sequence
                    AND seal.signature IS NOT NULL
            ) THEN 'no tombstone covers it'
        END;
        IF fault IS NULL THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
        MESSAGE = format('%s: WORM violation: %s of audit entries is refused', TG_NAME, TG_OP)
            || CASE WHEN TG_LEVEL = 'ROW' THEN format(' (entry %s, sequence %s%s)', OLD.id, OLD.sequence, ': ' || fault) ELSE '' END,
        HINT = 'Entries are written once. Insert a new entry that corrects the old one.';
END
$$
