SELECT count(*) AS active_keys_of_level_maximum
FROM {schema}.key_masters WHERE status = 'active' AND security_level = 'MAXIMUM'
