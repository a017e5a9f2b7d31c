SELECT count(*) AS pending_or_active_keys FROM {schema}.key_masters WHERE status IN ('pending', 'active')
