-- Derived from the models by tools/derived_sql.py.
-- Counting use and bookkeeping are no changes of state.
CREATE TRIGGER audit_hsm_configuration_update
AFTER UPDATE ON hsm_configurations
WHEN OLD.audit_all_operations IS NOT NEW.audit_all_operations
    OR OLD.authentication_config IS NOT NEW.authentication_config
    OR OLD.configuration_name IS NOT NEW.configuration_name OR OLD.created_by IS NOT NEW.created_by
    OR OLD.endpoint_url IS NOT NEW.endpoint_url OR OLD.is_active IS NOT NEW.is_active
    OR OLD.max_key_size_bits IS NOT NEW.max_key_size_bits OR OLD.provider IS NOT NEW.provider
    OR OLD.require_dual_auth IS NOT NEW.require_dual_auth
    OR OLD.supported_algorithms IS NOT NEW.supported_algorithms
    OR OLD.supports_key_derivation IS NOT NEW.supports_key_derivation
    OR OLD.supports_key_generation IS NOT NEW.supports_key_generation
    OR OLD.wrapping_key_ref IS NOT NEW.wrapping_key_ref
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'SECURITY',
        lower(replace(made.event, '_', ' ')) || ': ' || NEW.configuration_name,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT NULL AS key_id, 'HSM_CONFIGURATION_CHANGED' AS event, 'HIGH' AS level, 1 AS place
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'from', json_group_object(name, CASE kind WHEN 'json' THEN json(before) WHEN 'boolean' THEN json(iif(before, 'true', 'false')) ELSE before END) FILTER (WHERE kind <> 'named' AND before IS NOT NULL),
            'to', json_group_object(name, CASE kind WHEN 'json' THEN json(after) WHEN 'boolean' THEN json(iif(after, 'true', 'false')) ELSE after END) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'audit_all_operations' AS name, 'boolean' AS kind, OLD.audit_all_operations AS before, NEW.audit_all_operations AS after
            UNION ALL SELECT 'authentication_config', 'named', OLD.authentication_config, NEW.authentication_config
            UNION ALL SELECT 'configuration_name', 'plain', OLD.configuration_name, NEW.configuration_name
            UNION ALL SELECT 'created_by', 'plain', OLD.created_by, NEW.created_by
            UNION ALL SELECT 'endpoint_url', 'named', OLD.endpoint_url, NEW.endpoint_url
            UNION ALL SELECT 'is_active', 'boolean', OLD.is_active, NEW.is_active
            UNION ALL SELECT 'max_key_size_bits', 'plain', OLD.max_key_size_bits, NEW.max_key_size_bits
            UNION ALL SELECT 'provider', 'plain', OLD.provider, NEW.provider
            UNION ALL SELECT 'require_dual_auth', 'boolean', OLD.require_dual_auth, NEW.require_dual_auth
            UNION ALL SELECT 'supported_algorithms', 'json', OLD.supported_algorithms, NEW.supported_algorithms
            UNION ALL SELECT 'supports_key_derivation', 'boolean', OLD.supports_key_derivation, NEW.supports_key_derivation
            UNION ALL SELECT 'supports_key_generation', 'boolean', OLD.supports_key_generation, NEW.supports_key_generation
            UNION ALL SELECT 'wrapping_key_ref', 'plain', OLD.wrapping_key_ref, NEW.wrapping_key_ref
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
