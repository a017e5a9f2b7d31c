-- The version with a tag, and its key.
SELECT
    master.id AS master_id, master.key_id, master.key_type, master.algorithm, master.key_size_bits, master.status,
    master.max_usage_count, {seconds_until(master.expires_at)} AS seconds_left,
    CASE WHEN master.hsm_key_id IS NULL THEN 0 ELSE 1 END AS is_held,
    CASE WHEN CAST(master.encrypted_columns AS text) LIKE '%"*"%' THEN 1 ELSE 0 END AS encrypts_elsewhere,
    version.id AS version_id, version.version_number, version.ciphertext_tag, version.usage_count,
    CASE WHEN version.activated_at IS NOT NULL AND version.deactivated_at IS NULL THEN 1 ELSE 0 END AS is_live,
    CASE WHEN version.destroyed_at IS NOT NULL THEN 1 ELSE 0 END AS is_destroyed
FROM {schema}.key_versions AS version
JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE version.ciphertext_tag = :tag
