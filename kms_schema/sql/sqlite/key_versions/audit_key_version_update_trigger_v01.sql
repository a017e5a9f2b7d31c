-- Counting use and bookkeeping are no changes of state, and drawing the tag (from 0) belongs to the INSERT.
CREATE TRIGGER audit_key_version_update
AFTER UPDATE ON key_versions
WHEN OLD.activated_at IS NOT NEW.activated_at
    OR (OLD.ciphertext_tag IS NOT NEW.ciphertext_tag AND OLD.ciphertext_tag <> 0)
    OR OLD.deactivated_at IS NOT NEW.deactivated_at
    OR OLD.destroyed_at IS NOT NEW.destroyed_at OR OLD.encrypted_key_data IS NOT NEW.encrypted_key_data
    OR OLD.encryption_metadata IS NOT NEW.encryption_metadata OR OLD.hsm_key_id IS NOT NEW.hsm_key_id
    OR OLD.key_checksum IS NOT NEW.key_checksum
    OR OLD.version_number IS NOT NEW.version_number
    OR OLD.wrapped_by_version_id IS NOT NEW.wrapped_by_version_id
    OR OLD.wrapping_key_ref IS NOT NEW.wrapping_key_ref
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'LIFECYCLE',
        lower(replace(made.event, '_', ' ')) || ': ' || coalesce((SELECT key_id FROM key_masters WHERE id = NEW.key_id), NEW.key_id) || ' version ' || NEW.version_number,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NEW.key_id AS key_id, 'VERSION_ACTIVATED' AS event, 'LOW' AS level, 1 AS place
        WHERE NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL AND (OLD.activated_at IS NULL OR OLD.deactivated_at IS NOT NULL)
        UNION ALL SELECT NEW.key_id, 'VERSION_DEACTIVATED', 'LOW', 2
        WHERE OLD.deactivated_at IS NULL AND NEW.deactivated_at IS NOT NULL
        UNION ALL SELECT NEW.key_id, 'VERSION_DESTROYED', 'MEDIUM', 3
        WHERE OLD.destroyed_at IS NULL AND NEW.destroyed_at IS NOT NULL
        UNION ALL SELECT NEW.key_id, 'VERSION_REWRAPPED', 'MEDIUM', 4
        WHERE NEW.encrypted_key_data <> OLD.encrypted_key_data
        UNION ALL SELECT NEW.key_id, 'VERSION_CHANGED', 'MEDIUM', 5
        WHERE NOT coalesce(
            (NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL AND (OLD.activated_at IS NULL OR OLD.deactivated_at IS NOT NULL))
            OR (OLD.deactivated_at IS NULL AND NEW.deactivated_at IS NOT NULL)
            OR (OLD.destroyed_at IS NULL AND NEW.destroyed_at IS NOT NULL)
            OR NEW.encrypted_key_data <> OLD.encrypted_key_data, 0
        )
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'key_id', NEW.key_id,
            'from', json_group_object(name, before) FILTER (WHERE kind <> 'named' AND before IS NOT NULL),
            'to', json_group_object(name, after) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'activated_at' AS name, 'plain' AS kind, OLD.activated_at AS before, NEW.activated_at AS after
            UNION ALL SELECT 'ciphertext_tag', 'plain', OLD.ciphertext_tag, NEW.ciphertext_tag
            UNION ALL SELECT 'deactivated_at', 'plain', OLD.deactivated_at, NEW.deactivated_at
            UNION ALL SELECT 'destroyed_at', 'plain', OLD.destroyed_at, NEW.destroyed_at
            UNION ALL SELECT 'encrypted_key_data', 'named', OLD.encrypted_key_data, NEW.encrypted_key_data
            UNION ALL SELECT 'encryption_metadata', 'named', OLD.encryption_metadata, NEW.encryption_metadata
            UNION ALL SELECT 'hsm_key_id', 'plain', OLD.hsm_key_id, NEW.hsm_key_id
            UNION ALL SELECT 'key_checksum', 'named', OLD.key_checksum, NEW.key_checksum
            UNION ALL SELECT 'version_number', 'plain', OLD.version_number, NEW.version_number
            UNION ALL SELECT 'wrapped_by_version_id', 'plain', OLD.wrapped_by_version_id, NEW.wrapped_by_version_id
            UNION ALL SELECT 'wrapping_key_ref', 'plain', OLD.wrapping_key_ref, NEW.wrapping_key_ref
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
