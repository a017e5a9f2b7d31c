-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_key_master_delete
AFTER DELETE ON key_masters
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'LIFECYCLE',
        lower(replace(made.event, '_', ' ')) || ': ' || OLD.key_id,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'KEY_DELETED' AS event, 'HIGH' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', OLD.id,
            'changed', json_group_array(name),
            'from', json_group_object(name, CASE kind WHEN 'json' THEN json(before) ELSE before END) FILTER (WHERE kind <> 'named' AND before IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'activated_at' AS name, 'plain' AS kind, OLD.activated_at AS before, NULL AS after
            UNION ALL SELECT 'algorithm', 'plain', OLD.algorithm, NULL
            UNION ALL SELECT 'archived_at', 'plain', OLD.archived_at, NULL
            UNION ALL SELECT 'compliance_tags', 'json', OLD.compliance_tags, NULL
            UNION ALL SELECT 'derivation_path', 'plain', OLD.derivation_path, NULL
            UNION ALL SELECT 'encrypted_columns', 'json', OLD.encrypted_columns, NULL
            UNION ALL SELECT 'expired_at', 'plain', OLD.expired_at, NULL
            UNION ALL SELECT 'expires_at', 'plain', OLD.expires_at, NULL
            UNION ALL SELECT 'hsm_key_id', 'plain', OLD.hsm_key_id, NULL
            UNION ALL SELECT 'hsm_metadata', 'named', OLD.hsm_metadata, NULL
            UNION ALL SELECT 'hsm_provider', 'plain', OLD.hsm_provider, NULL
            UNION ALL SELECT 'key_id', 'plain', OLD.key_id, NULL
            UNION ALL SELECT 'key_size_bits', 'plain', OLD.key_size_bits, NULL
            UNION ALL SELECT 'key_type', 'plain', OLD.key_type, NULL
            UNION ALL SELECT 'max_usage_count', 'plain', OLD.max_usage_count, NULL
            UNION ALL SELECT 'parent_key_id', 'plain', OLD.parent_key_id, NULL
            UNION ALL SELECT 'revoked_at', 'plain', OLD.revoked_at, NULL
            UNION ALL SELECT 'rotated_at', 'plain', OLD.rotated_at, NULL
            UNION ALL SELECT 'security_level', 'plain', OLD.security_level, NULL
            UNION ALL SELECT 'status', 'plain', OLD.status, NULL
            UNION ALL SELECT 'status_reason', 'plain', OLD.status_reason, NULL
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
