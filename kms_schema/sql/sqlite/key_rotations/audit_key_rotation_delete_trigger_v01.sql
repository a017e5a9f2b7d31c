-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_key_rotation_delete
AFTER DELETE ON key_rotations
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'LIFECYCLE',
        lower(replace(made.event, '_', ' ')) || ': ' || coalesce((SELECT key_id FROM key_masters WHERE id = OLD.key_id), OLD.key_id),
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'ROTATION_DELETED' AS event, 'HIGH' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', OLD.id,
            'changed', json_group_array(name),
            'key_id', OLD.key_id,
            'from', json_group_object(name, CASE kind WHEN 'boolean' THEN json(iif(before, 'true', 'false')) ELSE before END) FILTER (WHERE kind <> 'named' AND before IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'claimed_by' AS name, 'plain' AS kind, OLD.claimed_by AS before, NULL AS after
            UNION ALL SELECT 'completed_at', 'plain', OLD.completed_at, NULL
            UNION ALL SELECT 'error_message', 'named', OLD.error_message, NULL
            UNION ALL SELECT 'failed_at', 'plain', OLD.failed_at, NULL
            UNION ALL SELECT 'max_retries', 'plain', OLD.max_retries, NULL
            UNION ALL SELECT 'new_version', 'plain', OLD.new_version, NULL
            UNION ALL SELECT 'old_version', 'plain', OLD.old_version, NULL
            UNION ALL SELECT 'post_rotation_checksum', 'named', OLD.post_rotation_checksum, NULL
            UNION ALL SELECT 'pre_rotation_checksum', 'named', OLD.pre_rotation_checksum, NULL
            UNION ALL SELECT 'retry_count', 'plain', OLD.retry_count, NULL
            UNION ALL SELECT 'rollback_available', 'boolean', OLD.rollback_available, NULL
            UNION ALL SELECT 'scheduled_at', 'plain', OLD.scheduled_at, NULL
            UNION ALL SELECT 'started_at', 'plain', OLD.started_at, NULL
            UNION ALL SELECT 'status', 'plain', OLD.status, NULL
            UNION ALL SELECT 'trigger', 'plain', OLD."trigger", NULL
            UNION ALL SELECT 'trigger_details', 'named', OLD.trigger_details, NULL
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
