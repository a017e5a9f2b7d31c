SELECT algorithm, key_size_bits, count(*) AS keys
FROM {schema}.key_masters WHERE status IN ('pending', 'active')
GROUP BY algorithm, key_size_bits ORDER BY algorithm, key_size_bits
