CREATE TRIGGER audit_key_audit_retention_policy_update
AFTER UPDATE ON key_audit_retention_policies
WHEN OLD.event_category IS NOT NEW.event_category OR OLD.retention_period_days IS NOT NEW.retention_period_days
BEGIN
    INSERT INTO key_audit_logs
        (event_type, event_category, event_description, user_id, security_level, additional_metadata)
    VALUES (
        'RETENTION_POLICY_CHANGED', 'POLICY', 'retention policy changed: ' || NEW.event_category,
        (SELECT actor FROM key_audit_actor), 'HIGH',
        json_object(
            'from', json_object('event_category', OLD.event_category, 'retention_period_days', OLD.retention_period_days),
            'to', json_object('event_category', NEW.event_category, 'retention_period_days', NEW.retention_period_days)
        )
    );
END
