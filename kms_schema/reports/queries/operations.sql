SELECT operation, subject, count(*) AS records, max(recorded_at) AS last_recorded_at
FROM {schema}.key_operation_records WHERE recorded_at >= {start} AND recorded_at < {end}
GROUP BY operation, subject ORDER BY operation, subject
