UPDATE {schema}.key_rotations
SET status = 'FAILED', error_message = %(error)s, failed_at = {greatest({clock()}, started_at)},
    next_retry_at = {clock_after(%(seconds)s)}
WHERE id = %(id)s AND {part(claimed)}
