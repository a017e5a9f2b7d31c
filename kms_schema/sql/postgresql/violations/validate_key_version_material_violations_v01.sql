-- Material is exactly one of: an envelope of the right length, an HSM handle of the version, or destroyed.
SELECT
    'key_versions' AS table_name,
    CAST(version.id AS text) AS row_id,
    version.key_name || ' v' || CAST(version.version_number AS text) AS row_name,
    version.fault AS problem
FROM (
    SELECT
        version.id, version.version_number, master.key_id AS key_name,
        CASE
            WHEN version.encrypted_key_data IS NULL AND version.destroyed_at IS NULL AND version.hsm_key_id IS NULL
                THEN 'has no material: no envelope, no HSM handle, no destroyed_at'
            WHEN version.encrypted_key_data IS NOT NULL AND master.hsm_key_id IS NOT NULL
                THEN 'has material here, and its key is held in an HSM'
            WHEN version.hsm_key_id IS NOT NULL AND version.destroyed_at IS NULL AND master.hsm_key_id IS NULL
                THEN 'has an HSM handle, and its key is held in no HSM'
            WHEN version.hsm_key_id IS NOT NULL AND version.encrypted_key_data IS NOT NULL
                THEN 'has material here and an HSM handle'
            WHEN version.hsm_key_id IS NOT NULL AND EXISTS (
                SELECT FROM {schema}.key_versions AS other
                WHERE other.key_id = version.key_id AND other.hsm_key_id = version.hsm_key_id AND other.id <> version.id
                OFFSET 0
            ) THEN 'has the HSM handle of another version of its key'
            WHEN octet_length(version.encrypted_key_data) <> envelope.bytes
                THEN 'may be plaintext: an envelope of a ' || CAST(master.key_size_bits AS text) || '-bit key has '
                    || CAST(envelope.bytes AS text) || ' bytes, this has '
                    || CAST(octet_length(version.encrypted_key_data) AS text)
        END AS fault
    FROM {schema}.key_versions AS version
    JOIN {schema}.key_masters AS master ON master.id = version.key_id
    CROSS JOIN LATERAL (SELECT (CAST(master.key_size_bits AS bigint) + 7) / 8 AS bytes) AS material
    CROSS JOIN LATERAL (
        SELECT CASE substring(version.encrypted_key_data FROM 1 FOR 1)
            WHEN CAST('\x01' AS bytea) THEN 1 + 12 + material.bytes + 16 -- AES-256-GCM: nonce, ciphertext, tag
            WHEN CAST('\x02' AS bytea) THEN 1 + 8 + (material.bytes + 7) / 8 * 8 -- RFC 5649: check, padded key
        END AS bytes
    ) AS envelope
) AS version
WHERE version.fault IS NOT NULL
