-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_hsm_configuration_insert
AFTER INSERT ON hsm_configurations
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'SECURITY',
        lower(replace(made.event, '_', ' ')) || ': ' || NEW.configuration_name,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'HSM_CONFIGURATION_CREATED' AS event, 'LOW' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'to', json_group_object(name, CASE kind WHEN 'json' THEN json(after) WHEN 'boolean' THEN json(iif(after, 'true', 'false')) ELSE after END) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'audit_all_operations' AS name, 'boolean' AS kind, NULL AS before, NEW.audit_all_operations AS after
            UNION ALL SELECT 'authentication_config', 'named', NULL, NEW.authentication_config
            UNION ALL SELECT 'configuration_name', 'plain', NULL, NEW.configuration_name
            UNION ALL SELECT 'created_by', 'plain', NULL, NEW.created_by
            UNION ALL SELECT 'endpoint_url', 'named', NULL, NEW.endpoint_url
            UNION ALL SELECT 'is_active', 'boolean', NULL, NEW.is_active
            UNION ALL SELECT 'max_key_size_bits', 'plain', NULL, NEW.max_key_size_bits
            UNION ALL SELECT 'provider', 'plain', NULL, NEW.provider
            UNION ALL SELECT 'require_dual_auth', 'boolean', NULL, NEW.require_dual_auth
            UNION ALL SELECT 'supported_algorithms', 'json', NULL, NEW.supported_algorithms
            UNION ALL SELECT 'supports_key_derivation', 'boolean', NULL, NEW.supports_key_derivation
            UNION ALL SELECT 'supports_key_generation', 'boolean', NULL, NEW.supports_key_generation
            UNION ALL SELECT 'wrapping_key_ref', 'plain', NULL, NEW.wrapping_key_ref
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
