-- Derived from the models by tools/derived_sql.py.
-- INSERT OR REPLACE deletes conflicting rows without firing DELETE triggers, so a conflicting row is refused first.
-- This refuses upserts as well, a documented difference from PostgreSQL.
CREATE TRIGGER guard_key_version_insert
BEFORE INSERT ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'pk_key_versions: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE id = NEW.id);
    SELECT RAISE(ABORT, 'uq_key_versions_key_id_version_number: another row has this key_id and version_number (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE key_id = NEW.key_id AND version_number = NEW.version_number);
    SELECT RAISE(ABORT, 'uq_key_versions_ciphertext_tag: another row has this ciphertext_tag (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE ciphertext_tag = NEW.ciphertext_tag);
    SELECT RAISE(ABORT, 'uq_key_versions_live: another row has this key_id and is live (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE key_id = NEW.key_id AND activated_at IS NOT NULL AND deactivated_at IS NULL)
    AND NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL;
END
