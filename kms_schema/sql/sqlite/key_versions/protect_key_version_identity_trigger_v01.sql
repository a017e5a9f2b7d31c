-- Derived from the models by tools/derived_sql.py.
-- The identity columns of a row never change. A tag of 0 is one that is not drawn yet.
CREATE TRIGGER protect_key_version_identity
BEFORE UPDATE OF id, key_id, version_number, created_at, ciphertext_tag ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'protect_key_version_identity: id may not change')
    WHERE NEW.id IS NOT OLD.id;
    SELECT RAISE(ABORT, 'protect_key_version_identity: key_id may not change')
    WHERE NEW.key_id IS NOT OLD.key_id;
    SELECT RAISE(ABORT, 'protect_key_version_identity: version_number may not change')
    WHERE NEW.version_number IS NOT OLD.version_number;
    SELECT RAISE(ABORT, 'protect_key_version_identity: created_at may not change')
    WHERE NEW.created_at IS NOT OLD.created_at;
    SELECT RAISE(ABORT, 'protect_key_version_identity: ciphertext_tag may not change')
    WHERE NEW.ciphertext_tag IS NOT OLD.ciphertext_tag AND OLD.ciphertext_tag <> 0;
END
