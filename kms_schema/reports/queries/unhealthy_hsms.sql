SELECT configuration_name, provider, health_status, last_health_check
FROM {schema}.hsm_configurations WHERE is_active AND coalesce(health_status, '') <> 'HEALTHY'
ORDER BY configuration_name
