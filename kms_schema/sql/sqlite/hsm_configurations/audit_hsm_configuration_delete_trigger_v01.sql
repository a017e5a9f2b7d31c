-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_hsm_configuration_delete
AFTER DELETE ON hsm_configurations
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'SECURITY',
        lower(replace(made.event, '_', ' ')) || ': ' || OLD.configuration_name,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'HSM_CONFIGURATION_DELETED' AS event, 'HIGH' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', OLD.id,
            'changed', json_group_array(name),
            'from', json_group_object(name, CASE kind WHEN 'json' THEN json(before) WHEN 'boolean' THEN json(iif(before, 'true', 'false')) ELSE before END) FILTER (WHERE kind <> 'named' AND before IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'audit_all_operations' AS name, 'boolean' AS kind, OLD.audit_all_operations AS before, NULL AS after
            UNION ALL SELECT 'authentication_config', 'named', OLD.authentication_config, NULL
            UNION ALL SELECT 'configuration_name', 'plain', OLD.configuration_name, NULL
            UNION ALL SELECT 'created_by', 'plain', OLD.created_by, NULL
            UNION ALL SELECT 'endpoint_url', 'named', OLD.endpoint_url, NULL
            UNION ALL SELECT 'is_active', 'boolean', OLD.is_active, NULL
            UNION ALL SELECT 'max_key_size_bits', 'plain', OLD.max_key_size_bits, NULL
            UNION ALL SELECT 'provider', 'plain', OLD.provider, NULL
            UNION ALL SELECT 'require_dual_auth', 'boolean', OLD.require_dual_auth, NULL
            UNION ALL SELECT 'supported_algorithms', 'json', OLD.supported_algorithms, NULL
            UNION ALL SELECT 'supports_key_derivation', 'boolean', OLD.supports_key_derivation, NULL
            UNION ALL SELECT 'supports_key_generation', 'boolean', OLD.supports_key_generation, NULL
            UNION ALL SELECT 'wrapping_key_ref', 'plain', OLD.wrapping_key_ref, NULL
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
