-- A sequence is the previous one plus one: SQLite has one writer at a time, so there are no gaps.
CREATE TRIGGER guard_key_audit_log_insert_sequence
AFTER INSERT ON key_audit_logs
BEGIN
    UPDATE key_audit_logs SET sequence = 1 + (SELECT max(sequence) FROM key_audit_logs) WHERE id = NEW.id AND sequence = 0;
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert: an entry needs a sequence')
    WHERE EXISTS (SELECT 1 FROM key_audit_logs WHERE sequence <= 0);
END
