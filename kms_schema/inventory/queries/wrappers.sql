SELECT
    {id_text(v.id)}, m.key_id, v.version_number, m.algorithm, m.key_size_bits, {id_text(v.wrapped_by_version_id)},
    v.wrapping_key_ref
FROM {schema}.key_versions AS v JOIN {schema}.key_masters AS m ON m.id = v.key_id
WHERE m.key_type = 'kek' AND v.destroyed_at IS NULL
