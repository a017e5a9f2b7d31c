-- The database sets id, sequence, timestamp and recorded_by. Their defaults do, and this guard knows a default from a
-- forgery: 'now' is one instant throughout a statement, so anything else differs. It also stops REPLACE, and holds
-- with foreign keys off and checks ignored.
CREATE TRIGGER guard_key_audit_log_insert
BEFORE INSERT ON key_audit_logs
BEGIN
    SELECT RAISE(ABORT, 'pk_key_audit_logs: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_audit_logs WHERE id = NEW.id);
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert: the database sets id: leave it out')
    WHERE substr(NEW.id, 1, 13) IS NOT printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)) || '7';
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
    -- The table's own checks once more, for connections that ignore those.
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_type_not_blank: event_type is blank')
    WHERE coalesce(trim(NEW.event_type, char(9, 10, 13, 32)), '') = '';
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_category_known: unknown event_category')
    WHERE NEW.event_category IS NULL
        OR NEW.event_category NOT IN ('LIFECYCLE', 'SECURITY', 'COMPLIANCE', 'POLICY');
    SELECT RAISE(ABORT, 'ck_key_audit_logs_security_level_known: unknown security_level')
    WHERE NEW.security_level NOT IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL');
    SELECT RAISE(ABORT, 'ck_key_audit_logs_risk_score_range: risk_score is not between 0 and 100')
    WHERE NEW.risk_score NOT BETWEEN 0 AND 100;
    SELECT RAISE(ABORT, 'ck_key_audit_logs_duration_ms_not_negative: duration_ms is negative')
    WHERE NEW.duration_ms < 0;
    SELECT RAISE(ABORT, 'ck_key_audit_logs_retention_period_days_range: retention_period_days is not between 1 and 36500')
    WHERE NEW.retention_period_days NOT BETWEEN 1 AND 36500;
END
