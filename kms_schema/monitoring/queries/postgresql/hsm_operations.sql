SELECT hsm_provider, sum(key_count * average_usage) FROM {schema}.key_management_dashboard
WHERE section = 'keys' AND hsm_provider IS NOT NULL GROUP BY hsm_provider
