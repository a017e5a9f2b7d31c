SELECT key_type, status, count(*) AS keys
FROM {schema}.key_masters GROUP BY key_type, status ORDER BY key_type, status
