-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_key_master_delete
AFTER DELETE ON {schema}.key_masters
FOR EACH ROW EXECUTE FUNCTION {schema}.audit_key_change(
    'KEY', 'LIFECYCLE',
    '{key_id, key_type, algorithm, key_size_bits, status, activated_at, rotated_at, expires_at, expired_at, revoked_at,
     archived_at, status_reason, parent_key_id, derivation_path, max_usage_count, hsm_provider, hsm_key_id,
     security_level, compliance_tags, encrypted_columns}',
    '{hsm_metadata}'
)
