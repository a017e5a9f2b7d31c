-- A key by its name, with its live version, if it has one.
SELECT
    master.id AS master_id, master.key_id, master.key_type, master.algorithm, master.key_size_bits, master.status,
    master.max_usage_count, {seconds_until(master.expires_at)} AS seconds_left,
    CASE WHEN master.hsm_key_id IS NULL THEN 0 ELSE 1 END AS is_held,
    CASE WHEN CAST(master.encrypted_columns AS text) LIKE '%"*"%' THEN 1 ELSE 0 END AS encrypts_elsewhere,
    version.id AS version_id, version.version_number, version.ciphertext_tag, version.usage_count,
    1 AS is_live, 0 AS is_destroyed
FROM {schema}.key_masters AS master
LEFT JOIN {schema}.key_versions AS version
    ON version.key_id = master.id AND version.activated_at IS NOT NULL AND version.deactivated_at IS NULL
WHERE master.key_id = :key_id
