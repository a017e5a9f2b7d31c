-- A key ring reserves at most 65,536 uses and 64 GiB at once. More in one statement is no ordinary use: its entry is an
-- incident, which makes the key due.
CREATE TRIGGER audit_key_version_count_update
AFTER UPDATE OF usage_count, data_volume_bytes ON key_versions
WHEN NEW.usage_count > OLD.usage_count + 65536 OR NEW.data_volume_bytes > OLD.data_volume_bytes + 68719476736
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        NEW.key_id, 'VERSION_COUNT_JUMPED', 'SECURITY',
        'version count jumped: ' || coalesce((SELECT key_id FROM key_masters WHERE id = NEW.key_id), NEW.key_id) || ' version ' || NEW.version_number,
        (SELECT actor FROM key_audit_actor),
        'CRITICAL', change.document
    FROM (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'key_id', NEW.key_id,
            'from', json_group_object(name, before),
            'to', json_group_object(name, after)
        ) AS document
        FROM (
            SELECT 'data_volume_bytes' AS name, OLD.data_volume_bytes AS before, NEW.data_volume_bytes AS after
            UNION ALL SELECT 'usage_count', OLD.usage_count, NEW.usage_count
        )
        WHERE before <> after
    ) AS change;
END
