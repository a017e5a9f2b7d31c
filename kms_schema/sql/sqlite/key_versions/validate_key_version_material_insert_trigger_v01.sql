-- Material is exactly one of: an envelope of the right length, an HSM handle of the version, or destroyed. CHECK
-- constraints cover the rules within one row.
CREATE TRIGGER validate_key_version_material_insert
BEFORE INSERT ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'fk_key_versions_key_id_key_masters: there is no such key')
    WHERE NOT EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id);
    SELECT RAISE(ABORT, 'validate_key_version_material: the key is in an HSM: its versions may have no material in the database')
    WHERE NEW.encrypted_key_data IS NOT NULL
        AND EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id AND hsm_key_id IS NOT NULL);
    SELECT RAISE(ABORT, 'validate_key_version_material: no material: it needs an envelope, an HSM handle of its own, or destroyed_at')
    WHERE NEW.encrypted_key_data IS NULL AND NEW.destroyed_at IS NULL AND NEW.hsm_key_id IS NULL;
    SELECT RAISE(ABORT, 'validate_key_version_material: the key is in no HSM: its versions have no handle')
    WHERE NEW.hsm_key_id IS NOT NULL AND NEW.encrypted_key_data IS NULL AND NEW.destroyed_at IS NULL
        AND EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id AND hsm_key_id IS NULL);
    SELECT RAISE(ABORT, 'validate_key_version_material: the material is in the database: the version has no HSM handle')
    WHERE NEW.hsm_key_id IS NOT NULL AND NEW.encrypted_key_data IS NOT NULL;
    SELECT RAISE(ABORT, 'validate_key_version_material: another version of the key has this HSM handle')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE key_id = NEW.key_id AND hsm_key_id = NEW.hsm_key_id);
    -- AES-256-GCM: format, nonce, ciphertext, tag. RFC 5649: format, integrity check, padded key.
    SELECT RAISE(ABORT, 'validate_key_version_material: possible plaintext: not the length of an envelope of this key size')
    WHERE length(NEW.encrypted_key_data) <> (
        SELECT CASE substr(NEW.encrypted_key_data, 1, 1)
            WHEN x'01' THEN 1 + 12 + (key_size_bits + 7) / 8 + 16
            WHEN x'02' THEN 1 + 8 + ((key_size_bits + 7) / 8 + 7) / 8 * 8
        END
        FROM key_masters WHERE id = NEW.key_id
    );
END
