SELECT count(*), min(lease_expires_at) FROM {schema}.key_rotations
WHERE status = 'RUNNING' AND lease_expires_at < %(now)s
