SELECT key_type, status, sum(key_count) FROM {schema}.key_management_dashboard
WHERE section = 'keys' GROUP BY key_type, status
