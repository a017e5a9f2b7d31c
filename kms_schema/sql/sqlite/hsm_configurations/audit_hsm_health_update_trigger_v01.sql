-- A health check that finds the same health as before writes no entry: checks are frequent.
CREATE TRIGGER audit_hsm_health_update
AFTER UPDATE ON hsm_configurations
WHEN OLD.health_status IS NOT NEW.health_status
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        NULL, 'HSM_HEALTH_CHANGED', 'SECURITY', 'hsm health changed: ' || NEW.configuration_name,
        (SELECT actor FROM key_audit_actor),
        'MEDIUM',
        json_object(
            'id', NEW.id,
            'last_health_check', NEW.last_health_check,
            'response_time_ms', NEW.response_time_ms,
            'changed', json_array('health_status'),
            'from', json(iif(OLD.health_status IS NULL, '{}', json_object('health_status', OLD.health_status))),
            'to', json(iif(NEW.health_status IS NULL, '{}', json_object('health_status', NEW.health_status)))
        );
END
