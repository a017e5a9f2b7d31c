SELECT count(*) AS active_keys_with_a_limit
FROM {schema}.key_masters AS master WHERE master.status = 'active' AND NOT ({part(without_limit)})
