SELECT key_id, key_type, algorithm
FROM {schema}.key_masters WHERE status = 'active' AND security_level = 'MAXIMUM' AND hsm_provider IS NULL
ORDER BY key_id
