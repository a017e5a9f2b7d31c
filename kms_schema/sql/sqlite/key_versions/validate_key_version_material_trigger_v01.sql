-- Material is exactly one of: an envelope of the right length, an HSM handle of the version, or destroyed. Only a rewrap
-- changes it. CHECK constraints cover the rules within one row.
CREATE TRIGGER validate_key_version_material
BEFORE UPDATE OF
    encrypted_key_data, key_checksum, wrapped_by_version_id, wrapping_key_ref, hsm_key_id, destroyed_at
ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'validate_key_version_material: key_checksum may not change: a rewrap keeps the key')
    WHERE NEW.key_checksum IS NOT OLD.key_checksum AND OLD.key_checksum IS NOT NULL;
    SELECT RAISE(ABORT, 'validate_key_version_material: material may only be removed by destruction (set destroyed_at with it)')
    WHERE NEW.encrypted_key_data IS NULL AND OLD.encrypted_key_data IS NOT NULL AND NEW.destroyed_at IS NULL;
    SELECT RAISE(ABORT, 'validate_key_version_material: material may not be added to a version that has none')
    WHERE NEW.encrypted_key_data IS NOT NULL AND OLD.encrypted_key_data IS NULL;
    SELECT RAISE(ABORT, 'validate_key_version_material: hsm_key_id may only be cleared by destruction (set destroyed_at with it)')
    WHERE NEW.hsm_key_id IS NOT OLD.hsm_key_id AND (NEW.hsm_key_id IS NOT NULL OR NEW.destroyed_at IS NULL);
    SELECT RAISE(ABORT, 'validate_key_version_material: material may only be rewrapped: its wrapper changes with it')
    WHERE NEW.encrypted_key_data <> OLD.encrypted_key_data
        AND NEW.wrapped_by_version_id IS OLD.wrapped_by_version_id
        AND NEW.wrapping_key_ref IS OLD.wrapping_key_ref;
    SELECT RAISE(ABORT, 'validate_key_version_material: the wrapper changes only with the material, or is cleared at destruction')
    WHERE (NEW.wrapped_by_version_id IS NOT OLD.wrapped_by_version_id OR NEW.wrapping_key_ref IS NOT OLD.wrapping_key_ref)
        AND (NEW.encrypted_key_data <> OLD.encrypted_key_data) IS NOT 1
        AND NOT (NEW.destroyed_at IS NOT NULL
            AND NEW.wrapped_by_version_id IS NULL AND NEW.wrapping_key_ref IS NULL);
    SELECT RAISE(ABORT, 'fk_key_versions_key_id_key_masters: there is no such key')
    WHERE NOT EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id);
    SELECT RAISE(ABORT, 'validate_key_version_material: the key is in an HSM: its versions may have no material in the database')
    WHERE NEW.encrypted_key_data IS NOT NULL
        AND EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id AND hsm_key_id IS NOT NULL);
    SELECT RAISE(ABORT, 'validate_key_version_material: no material: it needs an envelope, an HSM handle of its own, or destroyed_at')
    WHERE NEW.encrypted_key_data IS NULL AND NEW.destroyed_at IS NULL AND NEW.hsm_key_id IS NULL
        AND OLD.destroyed_at IS NULL;
    SELECT RAISE(ABORT, 'validate_key_version_material: the key is in no HSM: its versions have no handle')
    WHERE NEW.hsm_key_id IS NOT NULL AND NEW.encrypted_key_data IS NULL AND NEW.destroyed_at IS NULL
        AND EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id AND hsm_key_id IS NULL);
    SELECT RAISE(ABORT, 'validate_key_version_material: the material is in the database: the version has no HSM handle')
    WHERE NEW.hsm_key_id IS NOT NULL AND NEW.encrypted_key_data IS NOT NULL;
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
