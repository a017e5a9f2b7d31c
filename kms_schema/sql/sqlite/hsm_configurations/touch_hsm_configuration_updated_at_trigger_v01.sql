-- Derived from the models by tools/derived_sql.py.
-- updated_at is the time of the last change, unless the caller gives another. The column list omits updated_at, so that
-- the trigger does not fire itself with recursive_triggers = ON.
CREATE TRIGGER touch_hsm_configuration_updated_at
AFTER UPDATE OF
    id, provider, configuration_name, endpoint_url, authentication_config, supported_algorithms,
    max_key_size_bits, supports_key_generation, supports_key_derivation, is_active, last_health_check,
    health_status, response_time_ms, require_dual_auth, audit_all_operations, created_at, created_by,
    wrapping_key_ref
ON hsm_configurations
WHEN NEW.updated_at IS OLD.updated_at
BEGIN
    UPDATE hsm_configurations SET updated_at = strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' WHERE id = NEW.id;
END
