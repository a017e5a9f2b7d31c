-- Derived from the models by tools/derived_sql.py.
-- Counting use and bookkeeping are no changes of state: they update none of these columns and do not fire this trigger.
CREATE TRIGGER audit_hsm_configuration_update
AFTER UPDATE OF
    audit_all_operations, authentication_config, configuration_name, created_by, endpoint_url, is_active,
    max_key_size_bits, provider, require_dual_auth, supported_algorithms, supports_key_derivation,
    supports_key_generation, wrapping_key_ref
ON {schema}.hsm_configurations
FOR EACH ROW WHEN (
    OLD.audit_all_operations IS DISTINCT FROM NEW.audit_all_operations
    OR OLD.authentication_config IS DISTINCT FROM NEW.authentication_config
    OR OLD.configuration_name IS DISTINCT FROM NEW.configuration_name
    OR OLD.created_by IS DISTINCT FROM NEW.created_by OR OLD.endpoint_url IS DISTINCT FROM NEW.endpoint_url
    OR OLD.is_active IS DISTINCT FROM NEW.is_active OR OLD.max_key_size_bits IS DISTINCT FROM NEW.max_key_size_bits
    OR OLD.provider IS DISTINCT FROM NEW.provider OR OLD.require_dual_auth IS DISTINCT FROM NEW.require_dual_auth
    OR OLD.supported_algorithms IS DISTINCT FROM NEW.supported_algorithms
    OR OLD.supports_key_derivation IS DISTINCT FROM NEW.supports_key_derivation
    OR OLD.supports_key_generation IS DISTINCT FROM NEW.supports_key_generation
    OR OLD.wrapping_key_ref IS DISTINCT FROM NEW.wrapping_key_ref
)
EXECUTE FUNCTION {schema}.audit_key_change(
    'HSM_CONFIGURATION', 'SECURITY',
    '{provider, configuration_name, supported_algorithms, max_key_size_bits, supports_key_generation,
     supports_key_derivation, is_active, require_dual_auth, audit_all_operations, created_by, wrapping_key_ref}',
    '{endpoint_url, authentication_config}'
)
