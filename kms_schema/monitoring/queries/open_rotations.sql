SELECT status, count(*) FROM {schema}.key_rotations WHERE status IN ('SCHEDULED', 'RUNNING') GROUP BY status
