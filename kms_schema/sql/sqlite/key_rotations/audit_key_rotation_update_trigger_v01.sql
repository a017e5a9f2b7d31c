-- Counting use and bookkeeping are no changes of state. Neither is a time that the database fills in when the status
-- changes (SQLite needs a separate UPDATE; otherwise no row in that status is without the time). Values that a retry
-- clears or a second failure replaces are recognized by the entry of that change: the last one, at this instant.
CREATE TRIGGER audit_key_rotation_update
AFTER UPDATE ON key_rotations
WHEN OLD.error_message IS NOT NEW.error_message OR OLD.max_retries IS NOT NEW.max_retries
    OR OLD.new_version IS NOT NEW.new_version OR OLD.old_version IS NOT NEW.old_version
    OR OLD.post_rotation_checksum IS NOT NEW.post_rotation_checksum
    OR OLD.pre_rotation_checksum IS NOT NEW.pre_rotation_checksum
    OR OLD.rollback_available IS NOT NEW.rollback_available OR OLD.scheduled_at IS NOT NEW.scheduled_at
    OR OLD.status IS NOT NEW.status OR OLD."trigger" IS NOT NEW."trigger"
    OR OLD.trigger_details IS NOT NEW.trigger_details
    OR OLD.started_at IS NOT NEW.started_at AND NOT (OLD.started_at IS NULL AND NEW.status = 'RUNNING') AND NEW.status <> 'SCHEDULED'
    OR OLD.completed_at IS NOT NEW.completed_at AND NOT (OLD.completed_at IS NULL AND NEW.status = 'COMPLETED')
    OR OLD.failed_at IS NOT NEW.failed_at AND NOT (
        NEW.status = 'FAILED' AND NEW.failed_at IS max(strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z', NEW.started_at)
        AND EXISTS (
            SELECT 1 FROM key_audit_logs
            WHERE sequence = (SELECT max(sequence) FROM key_audit_logs) AND event_type = 'ROTATION_FAILED'
                AND "timestamp" = strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'
                AND json_extract(additional_metadata, '$.id') = NEW.id
        )
    )
    OR OLD.claimed_by IS NOT NEW.claimed_by AND NOT (
        NEW.status = 'SCHEDULED' AND NEW.claimed_by IS NULL
        AND EXISTS (
            SELECT 1 FROM key_audit_logs
            WHERE sequence = (SELECT max(sequence) FROM key_audit_logs) AND event_type = 'ROTATION_SCHEDULED'
                AND "timestamp" = strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'
                AND json_extract(additional_metadata, '$.id') = NEW.id
        )
    )
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
            NEW.key_id AS key_id,
            CASE NEW.status WHEN 'SCHEDULED' THEN 'ROTATION_SCHEDULED' WHEN 'RUNNING' THEN 'ROTATION_STARTED' WHEN 'COMPLETED' THEN 'ROTATION_COMPLETED' WHEN 'FAILED' THEN 'ROTATION_FAILED' END AS event,
            CASE NEW.status WHEN 'FAILED' THEN 'MEDIUM' ELSE 'LOW' END AS level,
            1 AS place
        WHERE NEW.status <> OLD.status
        UNION ALL SELECT NEW.key_id, 'ROTATION_TAKEN_OVER', 'MEDIUM', 2
        WHERE NEW.status = 'RUNNING' AND OLD.status = 'RUNNING' AND NEW.claimed_by IS NOT OLD.claimed_by
        UNION ALL SELECT NEW.key_id, 'ROTATION_CHANGED', 'MEDIUM', 3
        WHERE NOT coalesce(
            NEW.status <> OLD.status
            OR (NEW.status = 'RUNNING' AND OLD.status = 'RUNNING' AND NEW.claimed_by IS NOT OLD.claimed_by), 0
        )
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'key_id', NEW.key_id,
            'from', json_group_object(name, CASE kind WHEN 'boolean' THEN json(iif(before, 'true', 'false')) ELSE before END) FILTER (WHERE kind <> 'named' AND before IS NOT NULL),
            'to', json_group_object(name, CASE kind WHEN 'boolean' THEN json(iif(after, 'true', 'false')) ELSE after END) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'claimed_by' AS name, 'plain' AS kind, OLD.claimed_by AS before, NEW.claimed_by AS after
            UNION ALL SELECT 'completed_at', 'plain', OLD.completed_at, NEW.completed_at
            UNION ALL SELECT 'error_message', 'named', OLD.error_message, NEW.error_message
            UNION ALL SELECT 'failed_at', 'plain', OLD.failed_at, NEW.failed_at
            UNION ALL SELECT 'max_retries', 'plain', OLD.max_retries, NEW.max_retries
            UNION ALL SELECT 'new_version', 'plain', OLD.new_version, NEW.new_version
            UNION ALL SELECT 'old_version', 'plain', OLD.old_version, NEW.old_version
            UNION ALL SELECT 'post_rotation_checksum', 'named', OLD.post_rotation_checksum, NEW.post_rotation_checksum
            UNION ALL SELECT 'pre_rotation_checksum', 'named', OLD.pre_rotation_checksum, NEW.pre_rotation_checksum
            UNION ALL SELECT 'retry_count', 'plain', OLD.retry_count, NEW.retry_count
            UNION ALL SELECT 'rollback_available', 'boolean', OLD.rollback_available, NEW.rollback_available
            UNION ALL SELECT 'scheduled_at', 'plain', OLD.scheduled_at, NEW.scheduled_at
            UNION ALL SELECT 'started_at', 'plain', OLD.started_at, NEW.started_at
            UNION ALL SELECT 'status', 'plain', OLD.status, NEW.status
            UNION ALL SELECT 'trigger', 'plain', OLD."trigger", NEW."trigger"
            UNION ALL SELECT 'trigger_details', 'named', OLD.trigger_details, NEW.trigger_details
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
