-- Entries are written once. (A DELETE without WHERE fires this as well: SQLite truncates only tables without triggers.)
-- Entries past their retention period can be removed once a sealed tombstone covers them.
CREATE TRIGGER prevent_key_audit_log_delete
BEFORE DELETE ON key_audit_logs
WHEN (
    strftime('%Y-%m-%dT%H:%M:%f', substr(OLD."timestamp", 1, 23), '+' || OLD.retention_period_days || ' days')
        <= strftime('%Y-%m-%dT%H:%M:%f', 'now')
    AND EXISTS (
        SELECT 1 FROM key_audit_tombstones AS tombstone JOIN key_audit_seals AS seal ON seal.seal_number = tombstone.seal_number
        WHERE tombstone.last_sequence >= OLD.sequence AND seal.signature IS NOT NULL
    )
) IS NOT 1
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_audit_log_delete: WORM violation: DELETE of audit entries is refused');
END
