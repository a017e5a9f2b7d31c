SELECT key_type, security_level, coalesce(hsm_provider, 'none') AS hsm_provider, count(*) AS active_keys
FROM {schema}.key_masters WHERE status = 'active' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
