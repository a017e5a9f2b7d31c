CREATE TRIGGER audit_key_master_insert
AFTER INSERT ON key_masters
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'LIFECYCLE',
        lower(replace(made.event, '_', ' ')) || ': ' || NEW.key_id,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'KEY_CREATED' AS event, 'LOW' AS level, 1 AS place
        UNION ALL SELECT
            NEW.id,
            CASE NEW.status WHEN 'active' THEN 'KEY_ACTIVATED' WHEN 'rotated' THEN 'KEY_ROTATED' WHEN 'expired' THEN 'KEY_EXPIRED' WHEN 'revoked' THEN 'KEY_REVOKED' WHEN 'archived' THEN 'KEY_ARCHIVED' END,
            CASE NEW.status WHEN 'expired' THEN 'MEDIUM' WHEN 'revoked' THEN 'HIGH' ELSE 'LOW' END,
            2
        WHERE NEW.status <> 'pending'
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'to', json_group_object(name, CASE kind WHEN 'json' THEN json(after) ELSE after END) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'activated_at' AS name, 'plain' AS kind, NULL AS before, NEW.activated_at AS after
            UNION ALL SELECT 'algorithm', 'plain', NULL, NEW.algorithm
            UNION ALL SELECT 'archived_at', 'plain', NULL, NEW.archived_at
            UNION ALL SELECT 'compliance_tags', 'json', NULL, NEW.compliance_tags
            UNION ALL SELECT 'derivation_path', 'plain', NULL, NEW.derivation_path
            UNION ALL SELECT 'encrypted_columns', 'json', NULL, NEW.encrypted_columns
            UNION ALL SELECT 'expired_at', 'plain', NULL, NEW.expired_at
            UNION ALL SELECT 'expires_at', 'plain', NULL, NEW.expires_at
            UNION ALL SELECT 'hsm_key_id', 'plain', NULL, NEW.hsm_key_id
            UNION ALL SELECT 'hsm_metadata', 'named', NULL, NEW.hsm_metadata
            UNION ALL SELECT 'hsm_provider', 'plain', NULL, NEW.hsm_provider
            UNION ALL SELECT 'key_id', 'plain', NULL, NEW.key_id
            UNION ALL SELECT 'key_size_bits', 'plain', NULL, NEW.key_size_bits
            UNION ALL SELECT 'key_type', 'plain', NULL, NEW.key_type
            UNION ALL SELECT 'max_usage_count', 'plain', NULL, NEW.max_usage_count
            UNION ALL SELECT 'parent_key_id', 'plain', NULL, NEW.parent_key_id
            UNION ALL SELECT 'revoked_at', 'plain', NULL, NEW.revoked_at
            UNION ALL SELECT 'rotated_at', 'plain', NULL, NEW.rotated_at
            UNION ALL SELECT 'security_level', 'plain', NULL, NEW.security_level
            UNION ALL SELECT 'status', 'plain', NULL, NEW.status
            UNION ALL SELECT 'status_reason', 'plain', NULL, NEW.status_reason
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
