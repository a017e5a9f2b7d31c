-- An AFTER trigger draws the tag, and the order of AFTER triggers is undefined: if it has not yet, it does now.
CREATE TRIGGER audit_key_version_insert
AFTER INSERT ON key_versions
BEGIN
    UPDATE key_versions SET ciphertext_tag = 0 WHERE id = NEW.id AND ciphertext_tag = 0;
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'LIFECYCLE',
        lower(replace(made.event, '_', ' ')) || ': ' || coalesce((SELECT key_id FROM key_masters WHERE id = NEW.key_id), NEW.key_id) || ' version ' || NEW.version_number,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'VERSION_CREATED' AS event, 'LOW' AS level, 1 AS place
        UNION ALL SELECT NEW.key_id, 'VERSION_ACTIVATED', 'LOW', 2
        WHERE NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'key_id', NEW.key_id,
            'to', json_group_object(name, after) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'activated_at' AS name, 'plain' AS kind, NULL AS before, NEW.activated_at AS after
            UNION ALL SELECT 'ciphertext_tag', 'plain', NULL, (SELECT ciphertext_tag FROM key_versions WHERE id = NEW.id)
            UNION ALL SELECT 'deactivated_at', 'plain', NULL, NEW.deactivated_at
            UNION ALL SELECT 'destroyed_at', 'plain', NULL, NEW.destroyed_at
            UNION ALL SELECT 'encrypted_key_data', 'named', NULL, NEW.encrypted_key_data
            UNION ALL SELECT 'encryption_metadata', 'named', NULL, NEW.encryption_metadata
            UNION ALL SELECT 'hsm_key_id', 'plain', NULL, NEW.hsm_key_id
            UNION ALL SELECT 'key_checksum', 'named', NULL, NEW.key_checksum
            UNION ALL SELECT 'version_number', 'plain', NULL, NEW.version_number
            UNION ALL SELECT 'wrapped_by_version_id', 'plain', NULL, NEW.wrapped_by_version_id
            UNION ALL SELECT 'wrapping_key_ref', 'plain', NULL, NEW.wrapping_key_ref
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
