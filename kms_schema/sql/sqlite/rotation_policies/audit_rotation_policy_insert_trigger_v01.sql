-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_rotation_policy_insert
AFTER INSERT ON rotation_policies
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'POLICY',
        lower(replace(made.event, '_', ' ')) || ': ' || NEW.policy_name,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'POLICY_CREATED' AS event, 'LOW' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'to', json_group_object(name, CASE kind WHEN 'boolean' THEN json(iif(after, 'true', 'false')) ELSE after END) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'created_by' AS name, 'plain' AS kind, NULL AS before, NEW.created_by AS after
            UNION ALL SELECT 'is_active', 'boolean', NULL, NEW.is_active
            UNION ALL SELECT 'key_type', 'plain', NULL, NEW.key_type
            UNION ALL SELECT 'max_data_volume_mb', 'plain', NULL, NEW.max_data_volume_mb
            UNION ALL SELECT 'max_key_age_days', 'plain', NULL, NEW.max_key_age_days
            UNION ALL SELECT 'max_operations', 'plain', NULL, NEW.max_operations
            UNION ALL SELECT 'notification_channels', 'named', NULL, NEW.notification_channels
            UNION ALL SELECT 'notify_before_rotation_hours', 'plain', NULL, NEW.notify_before_rotation_hours
            UNION ALL SELECT 'policy_name', 'plain', NULL, NEW.policy_name
            UNION ALL SELECT 'rotate_on_compliance_requirement', 'boolean', NULL, NEW.rotate_on_compliance_requirement
            UNION ALL SELECT 'rotate_on_security_incident', 'boolean', NULL, NEW.rotate_on_security_incident
            UNION ALL SELECT 'rotation_interval_days', 'plain', NULL, NEW.rotation_interval_days
            UNION ALL SELECT 'rotation_window_end', 'plain', NULL, NEW.rotation_window_end
            UNION ALL SELECT 'rotation_window_start', 'plain', NULL, NEW.rotation_window_start
            UNION ALL SELECT 'timezone', 'plain', NULL, NEW.timezone
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
