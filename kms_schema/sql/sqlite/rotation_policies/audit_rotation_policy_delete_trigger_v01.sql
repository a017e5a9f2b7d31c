-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_rotation_policy_delete
AFTER DELETE ON rotation_policies
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'POLICY',
        lower(replace(made.event, '_', ' ')) || ': ' || OLD.policy_name,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'POLICY_DELETED' AS event, 'HIGH' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', OLD.id,
            'changed', json_group_array(name),
            'from', json_group_object(name, CASE kind WHEN 'boolean' THEN json(iif(before, 'true', 'false')) ELSE before END) FILTER (WHERE kind <> 'named' AND before IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'created_by' AS name, 'plain' AS kind, OLD.created_by AS before, NULL AS after
            UNION ALL SELECT 'is_active', 'boolean', OLD.is_active, NULL
            UNION ALL SELECT 'key_type', 'plain', OLD.key_type, NULL
            UNION ALL SELECT 'max_data_volume_mb', 'plain', OLD.max_data_volume_mb, NULL
            UNION ALL SELECT 'max_key_age_days', 'plain', OLD.max_key_age_days, NULL
            UNION ALL SELECT 'max_operations', 'plain', OLD.max_operations, NULL
            UNION ALL SELECT 'notification_channels', 'named', OLD.notification_channels, NULL
            UNION ALL SELECT 'notify_before_rotation_hours', 'plain', OLD.notify_before_rotation_hours, NULL
            UNION ALL SELECT 'policy_name', 'plain', OLD.policy_name, NULL
            UNION ALL SELECT 'rotate_on_compliance_requirement', 'boolean', OLD.rotate_on_compliance_requirement, NULL
            UNION ALL SELECT 'rotate_on_security_incident', 'boolean', OLD.rotate_on_security_incident, NULL
            UNION ALL SELECT 'rotation_interval_days', 'plain', OLD.rotation_interval_days, NULL
            UNION ALL SELECT 'rotation_window_end', 'plain', OLD.rotation_window_end, NULL
            UNION ALL SELECT 'rotation_window_start', 'plain', OLD.rotation_window_start, NULL
            UNION ALL SELECT 'timezone', 'plain', OLD.timezone, NULL
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
