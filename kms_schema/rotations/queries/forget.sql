UPDATE {schema}.key_rotations AS rotation {indexed_by(idx_key_rotations_retry_partial)} SET next_retry_at = NULL
WHERE {part(pending)} AND {part(later_success, rotation)}
