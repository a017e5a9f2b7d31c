-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_key_version_delete
AFTER DELETE ON key_versions
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'LIFECYCLE',
        lower(replace(made.event, '_', ' ')) || ': ' || coalesce((SELECT key_id FROM key_masters WHERE id = OLD.key_id), OLD.key_id) || ' version ' || OLD.version_number,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'VERSION_DELETED' AS event, 'HIGH' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', OLD.id,
            'changed', json_group_array(name),
            'key_id', OLD.key_id,
            'from', json_group_object(name, before) FILTER (WHERE kind <> 'named' AND before IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'activated_at' AS name, 'plain' AS kind, OLD.activated_at AS before, NULL AS after
            UNION ALL SELECT 'ciphertext_tag', 'plain', OLD.ciphertext_tag, NULL
            UNION ALL SELECT 'deactivated_at', 'plain', OLD.deactivated_at, NULL
            UNION ALL SELECT 'destroyed_at', 'plain', OLD.destroyed_at, NULL
            UNION ALL SELECT 'encrypted_key_data', 'named', OLD.encrypted_key_data, NULL
            UNION ALL SELECT 'encryption_metadata', 'named', OLD.encryption_metadata, NULL
            UNION ALL SELECT 'hsm_key_id', 'plain', OLD.hsm_key_id, NULL
            UNION ALL SELECT 'key_checksum', 'named', OLD.key_checksum, NULL
            UNION ALL SELECT 'version_number', 'plain', OLD.version_number, NULL
            UNION ALL SELECT 'wrapped_by_version_id', 'plain', OLD.wrapped_by_version_id, NULL
            UNION ALL SELECT 'wrapping_key_ref', 'plain', OLD.wrapping_key_ref, NULL
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
