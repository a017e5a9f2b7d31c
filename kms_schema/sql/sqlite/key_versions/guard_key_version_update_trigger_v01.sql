-- Derived from the models by tools/derived_sql.py.
-- UPDATE OR REPLACE deletes conflicting rows without firing DELETE triggers.
CREATE TRIGGER guard_key_version_update
BEFORE UPDATE OF id, key_id, version_number, activated_at, deactivated_at, ciphertext_tag ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'pk_key_versions: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE id = NEW.id AND id <> OLD.id);
    SELECT RAISE(ABORT, 'uq_key_versions_key_id_version_number: another row has this key_id and version_number (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE key_id = NEW.key_id AND version_number = NEW.version_number AND id <> OLD.id);
    SELECT RAISE(ABORT, 'uq_key_versions_ciphertext_tag: another row has this ciphertext_tag (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE ciphertext_tag = NEW.ciphertext_tag AND id <> OLD.id);
    SELECT RAISE(ABORT, 'uq_key_versions_live: another row has this key_id and is live (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE key_id = NEW.key_id AND activated_at IS NOT NULL AND deactivated_at IS NULL AND id <> OLD.id)
    AND NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL;
END
