SELECT id, claimed_by FROM {schema}.key_rotations
WHERE status = 'SCHEDULED' AND scheduled_at <= {clock()} AND {part(open_window)}
ORDER BY scheduled_at LIMIT 1 {skip_locked()}
