SELECT key_type, algorithm, key_size_bits, status, count(*) AS keys
FROM {schema}.key_masters GROUP BY key_type, algorithm, key_size_bits, status
ORDER BY key_type, algorithm, key_size_bits, status
