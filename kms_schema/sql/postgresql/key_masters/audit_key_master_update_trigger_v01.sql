-- Derived from the models by tools/derived_sql.py.
-- Counting use and bookkeeping are no changes of state: they update none of these columns and do not fire this trigger.
CREATE TRIGGER audit_key_master_update
AFTER UPDATE OF
    activated_at, algorithm, archived_at, compliance_tags, derivation_path, encrypted_columns, expired_at, expires_at,
    hsm_key_id, hsm_metadata, hsm_provider, key_id, key_size_bits, key_type, max_usage_count, parent_key_id,
    revoked_at, rotated_at, security_level, status, status_reason
ON {schema}.key_masters
FOR EACH ROW WHEN (
    OLD.activated_at IS DISTINCT FROM NEW.activated_at OR OLD.algorithm IS DISTINCT FROM NEW.algorithm
    OR OLD.archived_at IS DISTINCT FROM NEW.archived_at OR OLD.compliance_tags IS DISTINCT FROM NEW.compliance_tags
    OR OLD.derivation_path IS DISTINCT FROM NEW.derivation_path
    OR OLD.encrypted_columns IS DISTINCT FROM NEW.encrypted_columns
    OR OLD.expired_at IS DISTINCT FROM NEW.expired_at OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
    OR OLD.hsm_key_id IS DISTINCT FROM NEW.hsm_key_id OR OLD.hsm_metadata IS DISTINCT FROM NEW.hsm_metadata
    OR OLD.hsm_provider IS DISTINCT FROM NEW.hsm_provider OR OLD.key_id IS DISTINCT FROM NEW.key_id
    OR OLD.key_size_bits IS DISTINCT FROM NEW.key_size_bits OR OLD.key_type IS DISTINCT FROM NEW.key_type
    OR OLD.max_usage_count IS DISTINCT FROM NEW.max_usage_count
    OR OLD.parent_key_id IS DISTINCT FROM NEW.parent_key_id OR OLD.revoked_at IS DISTINCT FROM NEW.revoked_at
    OR OLD.rotated_at IS DISTINCT FROM NEW.rotated_at OR OLD.security_level IS DISTINCT FROM NEW.security_level
    OR OLD.status IS DISTINCT FROM NEW.status OR OLD.status_reason IS DISTINCT FROM NEW.status_reason
)
EXECUTE FUNCTION {schema}.audit_key_change(
    'KEY', 'LIFECYCLE',
    '{key_id, key_type, algorithm, key_size_bits, status, activated_at, rotated_at, expires_at, expired_at, revoked_at,
     archived_at, status_reason, parent_key_id, derivation_path, max_usage_count, hsm_provider, hsm_key_id,
     security_level, compliance_tags, encrypted_columns}',
    '{hsm_metadata}'
)
