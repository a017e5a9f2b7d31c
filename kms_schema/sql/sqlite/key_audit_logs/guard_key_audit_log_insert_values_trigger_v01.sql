-- Repeats the table's CHECK constraints, for connections that ignore them (PRAGMA ignore_check_constraints). Not those
-- of id, sequence, timestamp, recorded_by and key_id: guard_key_audit_log_insert checks these.
CREATE TRIGGER guard_key_audit_log_insert_values
BEFORE INSERT ON key_audit_logs
BEGIN
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_type_not_blank: event_type is blank')
    WHERE NOT (trim(NEW.event_type, char(9, 10, 13, 32)) <> '');
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_category_known: unknown event_category')
    WHERE NOT (NEW.event_category IN ('LIFECYCLE', 'SECURITY', 'COMPLIANCE', 'POLICY'));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_security_level_known: unknown security_level')
    WHERE NOT (NEW.security_level IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL'));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_duration_ms_not_negative: duration_ms is negative')
    WHERE NOT (NEW.duration_ms >= 0);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_risk_score_range: risk_score is not between 0 and 100')
    WHERE NOT (NEW.risk_score BETWEEN 0 AND 100);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_retention_period_days_range: retention_period_days is not between 1 and 36500')
    WHERE NOT (NEW.retention_period_days BETWEEN 1 AND 36500);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_compliance_tags_is_array: compliance_tags is no JSON array')
    WHERE NOT (CASE WHEN json_valid(NEW.compliance_tags) THEN json_type(NEW.compliance_tags) = 'array' ELSE NEW.compliance_tags IS NULL END);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_additional_metadata_is_object: additional_metadata is no JSON object')
    WHERE NOT (CASE WHEN json_valid(NEW.additional_metadata) THEN json_type(NEW.additional_metadata) = 'object' ELSE NEW.additional_metadata IS NULL END);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_type_type: event_type is not text of up to 50 characters without NUL')
    WHERE NOT (typeof(NEW.event_type) = 'text' AND instr(NEW.event_type, char(0)) = 0 AND length(NEW.event_type) <= 50);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_description_type: event_description is not text without NUL')
    WHERE NOT (typeof(NEW.event_description) = 'text' AND instr(NEW.event_description, char(0)) = 0);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_user_id_type: user_id is not text of up to 100 characters without NUL')
    WHERE NOT (NEW.user_id IS NULL OR (typeof(NEW.user_id) = 'text' AND instr(NEW.user_id, char(0)) = 0 AND length(NEW.user_id) <= 100));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_session_id_type: session_id is not text of up to 100 characters without NUL')
    WHERE NOT (NEW.session_id IS NULL OR (typeof(NEW.session_id) = 'text' AND instr(NEW.session_id, char(0)) = 0 AND length(NEW.session_id) <= 100));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_client_ip_type: client_ip is not text of up to 45 characters without NUL')
    WHERE NOT (NEW.client_ip IS NULL OR (typeof(NEW.client_ip) = 'text' AND instr(NEW.client_ip, char(0)) = 0 AND length(NEW.client_ip) <= 45));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_user_agent_type: user_agent is not text of up to 500 characters without NUL')
    WHERE NOT (NEW.user_agent IS NULL OR (typeof(NEW.user_agent) = 'text' AND instr(NEW.user_agent, char(0)) = 0 AND length(NEW.user_agent) <= 500));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_duration_ms_type: duration_ms is not an integer')
    WHERE NOT (NEW.duration_ms IS NULL OR (typeof(NEW.duration_ms) = 'integer'));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_risk_score_type: risk_score is not an integer')
    WHERE NOT (NEW.risk_score IS NULL OR (typeof(NEW.risk_score) = 'integer'));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_compliance_tags_type: compliance_tags is not JSON text')
    WHERE NOT (NEW.compliance_tags IS NULL OR (typeof(NEW.compliance_tags) = 'text' AND instr(NEW.compliance_tags, char(0)) = 0 AND json_valid(NEW.compliance_tags)));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_retention_period_days_type: retention_period_days is not an integer')
    WHERE NOT (typeof(NEW.retention_period_days) = 'integer');
    SELECT RAISE(ABORT, 'ck_key_audit_logs_additional_metadata_type: additional_metadata is not JSON text')
    WHERE NOT (NEW.additional_metadata IS NULL OR (typeof(NEW.additional_metadata) = 'text' AND instr(NEW.additional_metadata, char(0)) = 0 AND json_valid(NEW.additional_metadata)));
END
