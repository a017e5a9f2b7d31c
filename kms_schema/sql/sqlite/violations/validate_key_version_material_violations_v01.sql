-- Material is exactly one of: an envelope of the right length, an HSM handle of the version, or destroyed.
SELECT
    'key_versions' AS table_name,
    version.id AS row_id,
    version.key_name || ' v' || version.version_number AS row_name,
    CASE
        WHEN version.bytes IS NULL AND version.destroyed_at IS NULL AND version.handle IS NULL
            THEN 'has no material: no envelope, no HSM handle, no destroyed_at'
        WHEN version.bytes IS NOT NULL AND version.hsm_key_id IS NOT NULL
            THEN 'has material here, and its key is held in an HSM'
        WHEN version.handle IS NOT NULL AND version.destroyed_at IS NULL AND version.hsm_key_id IS NULL
            THEN 'has an HSM handle, and its key is held in no HSM'
        WHEN version.handle IS NOT NULL AND version.bytes IS NOT NULL
            THEN 'has material here and an HSM handle'
        WHEN version.handle IS NOT NULL AND EXISTS (
            SELECT 1 FROM {schema}.key_versions AS other
            WHERE other.key_id = version.key_id AND other.hsm_key_id = version.handle AND other.id <> version.id
        ) THEN 'has the HSM handle of another version of its key'
        WHEN version.bytes <> version.envelope_bytes
            THEN 'may be plaintext: an envelope of a ' || version.key_size_bits || '-bit key has '
                || version.envelope_bytes || ' bytes, this has ' || version.bytes
    END AS problem
FROM (
    SELECT
        version.id, version.key_id, version.version_number, version.destroyed_at, version.hsm_key_id AS handle,
        length(version.encrypted_key_data) AS bytes,
        master.key_id AS key_name, master.key_size_bits, master.hsm_key_id,
        CASE substr(version.encrypted_key_data, 1, 1)
            WHEN x'01' THEN 1 + 12 + (master.key_size_bits + 7) / 8 + 16 -- AES-256-GCM: nonce, ciphertext, tag
            WHEN x'02' THEN 1 + 8 + ((master.key_size_bits + 7) / 8 + 7) / 8 * 8 -- RFC 5649: check, padded key
        END AS envelope_bytes
    FROM {schema}.key_versions AS version
    JOIN {schema}.key_masters AS master ON master.id = version.key_id
) AS version
WHERE problem IS NOT NULL
