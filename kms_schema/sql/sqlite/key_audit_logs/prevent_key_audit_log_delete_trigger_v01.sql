-- Entries are written once. (A DELETE without WHERE fires this as well: SQLite truncates only tables without triggers.)
CREATE TRIGGER prevent_key_audit_log_delete
BEFORE DELETE ON key_audit_logs
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_audit_log_delete: WORM violation: DELETE of audit entries is refused');
END
