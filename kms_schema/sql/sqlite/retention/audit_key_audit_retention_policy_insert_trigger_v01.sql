CREATE TRIGGER audit_key_audit_retention_policy_insert
AFTER INSERT ON key_audit_retention_policies
BEGIN
    INSERT INTO key_audit_logs
        (event_type, event_category, event_description, user_id, security_level, additional_metadata)
    VALUES (
        'RETENTION_POLICY_CREATED', 'POLICY', 'retention policy created: ' || NEW.event_category,
        (SELECT actor FROM key_audit_actor), 'HIGH',
        json_object('to', json_object('event_category', NEW.event_category, 'retention_period_days', NEW.retention_period_days))
    );
END
