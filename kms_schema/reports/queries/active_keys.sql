SELECT count(*) AS active_keys FROM {schema}.key_masters WHERE status = 'active'
