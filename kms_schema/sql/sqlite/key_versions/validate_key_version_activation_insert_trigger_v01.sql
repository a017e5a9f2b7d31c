-- Derived from the models by tools/derived_sql.py.
-- No version of a revoked, expired or archived key can be activated.
CREATE TRIGGER validate_key_version_activation_insert
BEFORE INSERT ON key_versions
WHEN NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'validate_key_version_activation: the key is revoked')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id AND status = 'revoked');
    SELECT RAISE(ABORT, 'validate_key_version_activation: the key is expired')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id AND status = 'expired');
    SELECT RAISE(ABORT, 'validate_key_version_activation: the key is archived')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id AND status = 'archived');
END
