CREATE TRIGGER audit_key_audit_retention_policy_delete
AFTER DELETE ON key_audit_retention_policies
BEGIN
    INSERT INTO key_audit_logs
        (event_type, event_category, event_description, user_id, security_level, additional_metadata)
    VALUES (
        'RETENTION_POLICY_DELETED', 'POLICY', 'retention policy deleted: ' || OLD.event_category,
        (SELECT actor FROM key_audit_actor), 'HIGH',
        json_object('from', json_object('event_category', OLD.event_category, 'retention_period_days', OLD.retention_period_days))
    );
END
