-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_hsm_configuration_insert
AFTER INSERT ON {schema}.hsm_configurations
FOR EACH ROW EXECUTE FUNCTION {schema}.audit_key_change(
    'HSM_CONFIGURATION', 'SECURITY',
    '{provider, configuration_name, supported_algorithms, max_key_size_bits, supports_key_generation,
     supports_key_derivation, is_active, require_dual_auth, audit_all_operations, created_by, wrapping_key_ref}',
    '{endpoint_url, authentication_config}'
)
