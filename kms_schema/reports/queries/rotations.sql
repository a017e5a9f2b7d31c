SELECT status, "trigger", count(*) AS rotations
FROM {schema}.key_rotations WHERE coalesce(completed_at, failed_at, started_at, scheduled_at) >= {start}
    AND coalesce(completed_at, failed_at, started_at, scheduled_at) < {end}
GROUP BY status, "trigger" ORDER BY status, "trigger"
