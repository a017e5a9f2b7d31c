-- Subtracts a removed entry from the total of its day and from the causes of rotation.
CREATE TRIGGER summarize_removed_key_audit_logs
AFTER DELETE ON key_audit_logs
BEGIN
    UPDATE key_audit_daily_totals
    SET event_count = event_count - 1
    WHERE
        day = substr(OLD.timestamp, 1, 10)
        AND event_category = OLD.event_category
        AND security_level = OLD.security_level
        AND risk_score = COALESCE(OLD.risk_score, -1);
    DELETE FROM key_audit_daily_totals
    WHERE
        day = substr(OLD.timestamp, 1, 10)
        AND event_category = OLD.event_category
        AND security_level = OLD.security_level
        AND risk_score = COALESCE(OLD.risk_score, -1)
        AND event_count = 0;
    DELETE FROM key_rotation_causes WHERE key_id = OLD.key_id AND sequence = OLD.sequence;
END
