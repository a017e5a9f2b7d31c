-- Entries are written once. The one exception is guard_key_audit_log_insert_sequence, which sets the sequence and the
-- retention period of a new entry; no statement ends with an entry of sequence 0.
CREATE TRIGGER prevent_key_audit_log_update
BEFORE UPDATE ON key_audit_logs
WHEN NOT (
        OLD.sequence = 0
        AND NEW.sequence = 1 + (SELECT max(sequence) FROM key_audit_logs)
        AND NEW.id IS OLD.id
        AND NEW.key_id IS OLD.key_id
        AND NEW.event_type IS OLD.event_type
        AND NEW.event_category IS OLD.event_category
        AND NEW.event_description IS OLD.event_description
        AND NEW.user_id IS OLD.user_id
        AND NEW.session_id IS OLD.session_id
        AND NEW.client_ip IS OLD.client_ip
        AND NEW.user_agent IS OLD.user_agent
        AND NEW."timestamp" IS OLD."timestamp"
        AND NEW.duration_ms IS OLD.duration_ms
        AND NEW.security_level IS OLD.security_level
        AND NEW.risk_score IS OLD.risk_score
        AND NEW.compliance_tags IS OLD.compliance_tags
        AND NEW.retention_period_days IS coalesce(
            (SELECT retention_period_days FROM key_audit_retention_policies WHERE event_category = OLD.event_category),
            OLD.retention_period_days
        )
        AND NEW.recorded_by IS OLD.recorded_by
        AND NEW.additional_metadata IS OLD.additional_metadata
    )
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_audit_log_update: WORM violation: UPDATE of audit entries is refused');
END
