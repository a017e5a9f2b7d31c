-- Derived from the models by tools/derived_sql.py.
-- Counting use and bookkeeping are no changes of state.
CREATE TRIGGER audit_rotation_policy_update
AFTER UPDATE ON rotation_policies
WHEN OLD.created_by IS NOT NEW.created_by OR OLD.is_active IS NOT NEW.is_active
    OR OLD.key_type IS NOT NEW.key_type OR OLD.max_data_volume_mb IS NOT NEW.max_data_volume_mb
    OR OLD.max_key_age_days IS NOT NEW.max_key_age_days OR OLD.max_operations IS NOT NEW.max_operations
    OR OLD.notification_channels IS NOT NEW.notification_channels
    OR OLD.notify_before_rotation_hours IS NOT NEW.notify_before_rotation_hours
    OR OLD.policy_name IS NOT NEW.policy_name
    OR OLD.rotate_on_compliance_requirement IS NOT NEW.rotate_on_compliance_requirement
    OR OLD.rotate_on_security_incident IS NOT NEW.rotate_on_security_incident
    OR OLD.rotation_interval_days IS NOT NEW.rotation_interval_days
    OR OLD.rotation_window_end IS NOT NEW.rotation_window_end
    OR OLD.rotation_window_start IS NOT NEW.rotation_window_start OR OLD.timezone IS NOT NEW.timezone
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'POLICY',
        lower(replace(made.event, '_', ' ')) || ': ' || NEW.policy_name,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'POLICY_CHANGED' AS event, 'MEDIUM' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'from', json_group_object(name, CASE kind WHEN 'boolean' THEN json(iif(before, 'true', 'false')) ELSE before END) FILTER (WHERE kind <> 'named' AND before IS NOT NULL),
            'to', json_group_object(name, CASE kind WHEN 'boolean' THEN json(iif(after, 'true', 'false')) ELSE after END) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'created_by' AS name, 'plain' AS kind, OLD.created_by AS before, NEW.created_by AS after
            UNION ALL SELECT 'is_active', 'boolean', OLD.is_active, NEW.is_active
            UNION ALL SELECT 'key_type', 'plain', OLD.key_type, NEW.key_type
            UNION ALL SELECT 'max_data_volume_mb', 'plain', OLD.max_data_volume_mb, NEW.max_data_volume_mb
            UNION ALL SELECT 'max_key_age_days', 'plain', OLD.max_key_age_days, NEW.max_key_age_days
            UNION ALL SELECT 'max_operations', 'plain', OLD.max_operations, NEW.max_operations
            UNION ALL SELECT 'notification_channels', 'named', OLD.notification_channels, NEW.notification_channels
            UNION ALL SELECT 'notify_before_rotation_hours', 'plain', OLD.notify_before_rotation_hours, NEW.notify_before_rotation_hours
            UNION ALL SELECT 'policy_name', 'plain', OLD.policy_name, NEW.policy_name
            UNION ALL SELECT 'rotate_on_compliance_requirement', 'boolean', OLD.rotate_on_compliance_requirement, NEW.rotate_on_compliance_requirement
            UNION ALL SELECT 'rotate_on_security_incident', 'boolean', OLD.rotate_on_security_incident, NEW.rotate_on_security_incident
            UNION ALL SELECT 'rotation_interval_days', 'plain', OLD.rotation_interval_days, NEW.rotation_interval_days
            UNION ALL SELECT 'rotation_window_end', 'plain', OLD.rotation_window_end, NEW.rotation_window_end
            UNION ALL SELECT 'rotation_window_start', 'plain', OLD.rotation_window_start, NEW.rotation_window_start
            UNION ALL SELECT 'timezone', 'plain', OLD.timezone, NEW.timezone
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
