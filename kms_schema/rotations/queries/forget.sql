-- OFFSET 0 prevents the planner of PostgreSQL from scanning all rotations.
UPDATE {schema}.key_rotations AS rotation {indexed_by(idx_key_rotations_retry_partial)} SET next_retry_at = NULL
WHERE {part(pending)} AND EXISTS (
    SELECT 1 FROM {schema}.key_rotations AS success
    WHERE success.key_id = rotation.key_id AND {unindexed(success.status)} = 'COMPLETED'
        AND success.completed_at >= rotation.failed_at
    LIMIT 1 OFFSET 0
)
