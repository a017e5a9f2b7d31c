-- Remove the oldest entries that a tombstone covers, at most 10 000, and return their number; 0 if none is left. Entries
-- are covered by their leaves: one with a lower sequence that was sealed later, or is not sealed yet, is not.
--
-- The next call of a session continues where this one ended, since a transaction can leave millions of entries that are
-- passed over. If nothing is left from there on, the search begins again.
-- kms-schema roles --apply makes kms_remover the owner. prevent_key_audit_log_delete allows only that role to remove
-- entries, and checks each of them.
CREATE FUNCTION {schema}.remove_expired_key_audit_logs() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hint CONSTANT text := current_setting('kms.removed_until', true);
    passed bigint := CASE WHEN hint ~ '^[0-9]{1,18}$' THEN hint::bigint ELSE 0 END;
    tombstone record;
    batch bigint[];
    removed bigint;
BEGIN
    IF current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = '{schema}.key_audit_logs'::regclass) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'remove_expired_key_audit_logs: its owner is the owner of the audit log, which may not remove entries',
            HINT = 'Run kms-schema roles --apply, which makes kms_remover its owner.';
    END IF;
    SELECT * INTO tombstone FROM ONLY {schema}.key_audit_tombstones ORDER BY last_sequence DESC LIMIT 1;
    LOOP
        batch := ARRAY(
            SELECT entry.sequence FROM ONLY {schema}.key_audit_logs AS entry
            WHERE entry.sequence > passed AND entry.sequence <= tombstone.last_sequence AND (
                SELECT page.first_leaf < tombstone.leaf_count AND entry.sequence < page.first_sequence + length(page.hashes) / 32
                FROM ONLY {schema}.key_audit_leaves AS page
                WHERE page.first_sequence <= entry.sequence
                ORDER BY page.first_sequence DESC LIMIT 1
            )
            ORDER BY entry.sequence LIMIT 10000
        );
        EXIT WHEN cardinality(batch) > 0 OR passed = 0;
        passed := 0;
    END LOOP;
    PERFORM set_config('kms.removed_until', coalesce(batch[cardinality(batch)], 0)::text, false);
    DELETE FROM ONLY {schema}.key_audit_logs WHERE sequence = ANY (batch);
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END
$$
