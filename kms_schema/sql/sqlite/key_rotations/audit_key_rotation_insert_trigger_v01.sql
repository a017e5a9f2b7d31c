CREATE TRIGGER audit_key_rotation_insert
AFTER INSERT ON key_rotations
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'LIFECYCLE',
        lower(replace(made.event, '_', ' ')) || ': ' || coalesce((SELECT key_id FROM key_masters WHERE id = NEW.key_id), NEW.key_id),
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT
            CASE WHEN NEW.status <> 'SCHEDULED' THEN NEW.key_id END AS key_id,
            CASE NEW.status WHEN 'SCHEDULED' THEN 'ROTATION_SCHEDULED' WHEN 'RUNNING' THEN 'ROTATION_STARTED' WHEN 'COMPLETED' THEN 'ROTATION_COMPLETED' WHEN 'FAILED' THEN 'ROTATION_FAILED' END AS event,
            CASE NEW.status WHEN 'FAILED' THEN 'MEDIUM' ELSE 'LOW' END AS level,
            1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'key_id', NEW.key_id,
            'to', json_group_object(name, CASE kind WHEN 'boolean' THEN json(iif(after, 'true', 'false')) ELSE after END) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'claimed_by' AS name, 'plain' AS kind, NULL AS before, NEW.claimed_by AS after
            UNION ALL SELECT 'completed_at', 'plain', NULL, NEW.completed_at
            UNION ALL SELECT 'error_message', 'named', NULL, NEW.error_message
            UNION ALL SELECT 'failed_at', 'plain', NULL, NEW.failed_at
            UNION ALL SELECT 'max_retries', 'plain', NULL, NEW.max_retries
            UNION ALL SELECT 'new_version', 'plain', NULL, NEW.new_version
            UNION ALL SELECT 'old_version', 'plain', NULL, NEW.old_version
            UNION ALL SELECT 'post_rotation_checksum', 'named', NULL, NEW.post_rotation_checksum
            UNION ALL SELECT 'pre_rotation_checksum', 'named', NULL, NEW.pre_rotation_checksum
            UNION ALL SELECT 'retry_count', 'plain', NULL, NEW.retry_count
            UNION ALL SELECT 'rollback_available', 'boolean', NULL, NEW.rollback_available
            UNION ALL SELECT 'scheduled_at', 'plain', NULL, NEW.scheduled_at
            UNION ALL SELECT 'started_at', 'plain', NULL, NEW.started_at
            UNION ALL SELECT 'status', 'plain', NULL, NEW.status
            UNION ALL SELECT 'trigger', 'plain', NULL, NEW."trigger"
            UNION ALL SELECT 'trigger_details', 'named', NULL, NEW.trigger_details
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
