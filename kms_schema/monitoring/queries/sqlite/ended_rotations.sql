SELECT coalesce(sum(status = 'COMPLETED'), 0), coalesce(sum(status = 'FAILED'), 0),
    avg(execution_time_ms), max(execution_time_ms)
FROM {schema}.key_rotations WHERE status IN ('COMPLETED', 'FAILED') AND scheduled_at >= %(first_midnight)s
