-- Derived from the models by tools/derived_sql.py.
-- Counting use and bookkeeping are no changes of state: they update none of these columns and do not fire this trigger.
CREATE TRIGGER audit_key_version_update
AFTER UPDATE OF
    activated_at, ciphertext_tag, deactivated_at, destroyed_at, encrypted_key_data, encryption_metadata, hsm_key_id,
    key_checksum, version_number, wrapped_by_version_id, wrapping_key_ref
ON {schema}.key_versions
FOR EACH ROW WHEN (
    OLD.activated_at IS DISTINCT FROM NEW.activated_at OR OLD.ciphertext_tag IS DISTINCT FROM NEW.ciphertext_tag
    OR OLD.deactivated_at IS DISTINCT FROM NEW.deactivated_at OR OLD.destroyed_at IS DISTINCT FROM NEW.destroyed_at
    OR OLD.encrypted_key_data IS DISTINCT FROM NEW.encrypted_key_data
    OR OLD.encryption_metadata IS DISTINCT FROM NEW.encryption_metadata
    OR OLD.hsm_key_id IS DISTINCT FROM NEW.hsm_key_id OR OLD.key_checksum IS DISTINCT FROM NEW.key_checksum
    OR OLD.version_number IS DISTINCT FROM NEW.version_number
    OR OLD.wrapped_by_version_id IS DISTINCT FROM NEW.wrapped_by_version_id
    OR OLD.wrapping_key_ref IS DISTINCT FROM NEW.wrapping_key_ref
)
EXECUTE FUNCTION {schema}.audit_key_change(
    'VERSION', 'LIFECYCLE',
    '{version_number, wrapped_by_version_id, wrapping_key_ref, hsm_key_id, activated_at, deactivated_at, destroyed_at,
     ciphertext_tag}',
    '{encrypted_key_data, key_checksum, encryption_metadata}'
)
