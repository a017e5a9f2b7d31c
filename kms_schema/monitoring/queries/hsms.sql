SELECT configuration_name, provider, is_active, health_status, last_health_check, response_time_ms
FROM {schema}.hsm_configurations
ORDER BY is_active DESC, CASE WHEN health_status = 'HEALTHY' THEN 1 ELSE 0 END, configuration_name
