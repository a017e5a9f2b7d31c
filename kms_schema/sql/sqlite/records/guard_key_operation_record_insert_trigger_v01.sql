-- INSERT OR REPLACE deletes conflicting rows without firing DELETE triggers, so a conflicting row is refused first.
-- Repeats the CHECK constraints, for connections that ignore them.
CREATE TRIGGER guard_key_operation_record_insert
BEFORE INSERT ON key_operation_records
BEGIN
    SELECT RAISE(ABORT, 'pk_key_operation_records: another row has this operation, subject and recorded_at (REPLACE and upserts are refused)')
    WHERE EXISTS (
        SELECT 1 FROM key_operation_records
        WHERE operation = NEW.operation AND subject = NEW.subject AND recorded_at = NEW.recorded_at
    );
    SELECT RAISE(ABORT, 'guard_key_operation_record_insert: recorded_at is the current time, and recorded_by is sqlite')
    WHERE NEW.recorded_at IS NOT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' OR NEW.recorded_by IS NOT 'sqlite';
    SELECT RAISE(ABORT, 'ck_key_operation_records_operation_known: unknown operation')
    WHERE NOT (NEW.operation IN ('PUBLICATION', 'COSIGNATURE', 'VALIDATION'));
    SELECT RAISE(ABORT, 'ck_key_operation_records_subject_not_blank: subject is blank')
    WHERE NOT (trim(NEW.subject, char(9, 10, 13, 32)) <> '');
END
