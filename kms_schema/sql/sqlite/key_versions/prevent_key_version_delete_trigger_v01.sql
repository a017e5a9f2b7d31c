-- Versions are deleted only with their key: the cascade fires this trigger after the key's row is deleted. BETWEEN: see
-- prevent_key_version_destruction.
CREATE TRIGGER prevent_key_version_delete
BEFORE DELETE ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_version_delete: a version may only be deleted with its key')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = OLD.key_id);
    SELECT RAISE(ABORT, 'fk_key_versions_wrapped_by_version_id_key_versions: the version wraps others')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE wrapped_by_version_id BETWEEN OLD.id AND OLD.id);
END
