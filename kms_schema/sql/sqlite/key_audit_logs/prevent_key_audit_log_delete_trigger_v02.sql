-- Entries are written once. (A DELETE without WHERE fires this as well: SQLite truncates only tables without triggers.)
-- Entries past their retention period can be removed once a sealed tombstone covers them: the entries of the first
-- leaves, not every lower sequence.
CREATE TRIGGER prevent_key_audit_log_delete
BEFORE DELETE ON key_audit_logs
WHEN (
    strftime('%Y-%m-%dT%H:%M:%f', substr(OLD."timestamp", 1, 23), '+' || OLD.retention_period_days || ' days')
        <= strftime('%Y-%m-%dT%H:%M:%f', 'now')
    AND EXISTS (
        SELECT 1 FROM key_audit_tombstones AS tombstone JOIN key_audit_seals AS seal ON seal.seal_number = tombstone.seal_number
        JOIN key_audit_leaves AS page ON page.first_sequence = (
            SELECT max(first_sequence) FROM key_audit_leaves WHERE first_sequence <= OLD.sequence
        )
        WHERE tombstone.last_sequence >= OLD.sequence AND seal.signature IS NOT NULL
            AND page.first_leaf < tombstone.leaf_count AND OLD.sequence < page.first_sequence + length(page.hashes) / 32
    )
) IS NOT 1
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_audit_log_delete: WORM violation: DELETE of audit entries is refused');
END
