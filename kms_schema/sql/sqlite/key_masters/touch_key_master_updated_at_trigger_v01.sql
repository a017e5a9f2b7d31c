-- Derived from the models by tools/derived_sql.py.
-- updated_at is the time of the last change, unless the caller gives another. The column list omits updated_at, so that
-- the trigger does not fire itself with recursive_triggers = ON.
CREATE TRIGGER touch_key_master_updated_at
AFTER UPDATE OF
    id, key_id, key_type, algorithm, key_size_bits, status, created_at, activated_at, rotated_at, expires_at,
    expired_at, revoked_at, archived_at, status_reason, parent_key_id, derivation_path, usage_count,
    max_usage_count, hsm_provider, hsm_key_id, hsm_metadata, security_level, compliance_tags,
    encrypted_columns
ON key_masters
WHEN NEW.updated_at IS OLD.updated_at
BEGIN
    UPDATE key_masters SET updated_at = strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' WHERE id = NEW.id;
END
