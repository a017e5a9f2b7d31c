SELECT key_type, status, count(*) FROM {schema}.key_masters GROUP BY key_type, status
