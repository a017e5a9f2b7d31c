SELECT configuration_name, provider, health_status, last_health_check
FROM {schema}.hsm_configurations WHERE is_active ORDER BY configuration_name
