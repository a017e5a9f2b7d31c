SELECT id, claimed_by FROM {schema}.key_rotations
WHERE status = 'RUNNING' AND lease_expires_at <= {clock()} AND {part(open_window)}
ORDER BY scheduled_at LIMIT 1 {skip_locked()}
