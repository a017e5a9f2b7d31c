-- A failed rotation with a pending retry: the predicate of idx_key_rotations_retry_partial.
status = 'FAILED' AND next_retry_at IS NOT NULL AND retry_count < max_retries
