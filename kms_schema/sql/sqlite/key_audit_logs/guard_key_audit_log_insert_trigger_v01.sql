-- The database sets id, sequence, timestamp and recorded_by through their defaults. This trigger recognizes a default:
-- 'now' is one instant throughout a statement, so any other value differs. It also refuses REPLACE, and repeats the
-- foreign key, for connections with foreign_keys = OFF.
CREATE TRIGGER guard_key_audit_log_insert
BEFORE INSERT ON key_audit_logs
BEGIN
    SELECT RAISE(ABORT, 'pk_key_audit_logs: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_audit_logs WHERE id = NEW.id);
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert: the database sets id: leave it out')
    WHERE substr(NEW.id, 1, 13) IS NOT printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)) || '7'
        OR typeof(NEW.id) <> 'text' OR length(NEW.id) <> 32 OR NEW.id GLOB '*[^0-9a-f]*' OR instr(NEW.id, char(0)) > 0;
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert: the database sets sequence: leave it out')
    WHERE NEW.sequence IS NOT 0
        AND NEW.sequence IS NOT (SELECT 1 + coalesce(max(sequence), 0) FROM key_audit_logs);
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert: the database sets timestamp: leave it out')
    WHERE NEW."timestamp" IS NOT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z';
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert: the database sets recorded_by: leave it out')
    WHERE NEW.recorded_by IS NOT 'sqlite';
    SELECT RAISE(ABORT, 'fk_key_audit_logs_key_id_key_masters: there is no such key')
    WHERE NEW.key_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id);
END
