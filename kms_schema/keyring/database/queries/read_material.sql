-- A version and all that wraps it, with the keys that they are of. UNION ends where versions wrap each other in a circle.
WITH RECURSIVE chain (id, wrapped_by_version_id) AS (
    SELECT version.id, version.wrapped_by_version_id
    FROM {schema}.key_versions AS version
    WHERE version.id = :version
    UNION
    SELECT wrapper.id, wrapper.wrapped_by_version_id
    FROM chain
    JOIN {schema}.key_versions AS wrapper ON wrapper.id = chain.wrapped_by_version_id
)
SELECT
    master.id AS master_id, master.key_id, master.key_type, master.algorithm, master.key_size_bits,
    version.id, version.version_number, version.wrapped_by_version_id, version.wrapping_key_ref,
    version.encrypted_key_data, version.encryption_metadata, version.key_checksum,
    CASE WHEN version.destroyed_at IS NOT NULL THEN 1 ELSE 0 END AS is_destroyed
FROM chain
JOIN {schema}.key_versions AS version ON version.id = chain.id
JOIN {schema}.key_masters AS master ON master.id = version.key_id
