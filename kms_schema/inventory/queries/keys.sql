SELECT
    {id_text(m.id)}, m.key_id, m.key_type, m.algorithm, m.key_size_bits, m.status, m.status_reason,
    {time_text(m.created_at)}, {time_text(m.activated_at)}, {time_text(m.expires_at)}, {time_text(m.revoked_at)},
    m.parent_key_id, m.max_usage_count, m.hsm_provider, m.security_level, {document_text(m.encrypted_columns)},
    {id_text(v.id)}, v.version_number, {time_text(v.created_at)}, {time_text(v.activated_at)},
    {time_text(v.deactivated_at)}, {time_text(v.destroyed_at)}, v.usage_count, v.data_volume_bytes,
    {id_text(v.wrapped_by_version_id)}, v.wrapping_key_ref, v.hsm_key_id, {json_text(v.encryption_metadata, algorithm)}
FROM {schema}.key_masters AS m LEFT JOIN {schema}.key_versions AS v ON v.key_id = m.id
ORDER BY {order}, v.version_number
