SELECT
    {id_text(h.id)}, h.configuration_name, h.provider, h.endpoint_url, h.is_active, h.health_status,
    {time_text(h.last_health_check)}, h.require_dual_auth, h.max_key_size_bits,
    {document_text(h.supported_algorithms)}, {time_text(h.created_at)}, h.wrapping_key_ref
FROM {schema}.hsm_configurations AS h ORDER BY {order}
