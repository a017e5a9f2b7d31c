-- The last of several failures of a key that is active and has no open rotation. A later failure whose retry is not
-- pending, as in rotations_due, does not prevent it. An ARRAY is evaluated once; a joined subquery could be evaluated
-- for each row and, with SKIP LOCKED, return other rows each time.
UPDATE {schema}.key_rotations AS rotation
SET status = 'SCHEDULED', next_retry_at = NULL
WHERE id = ANY (ARRAY(
    SELECT id FROM {schema}.key_rotations AS pending
    WHERE {part(pending)} AND next_retry_at <= now()
        AND NOT EXISTS (
            SELECT 1 FROM {schema}.key_rotations AS other
            WHERE other.key_id = pending.key_id AND (
                other.status IN ('SCHEDULED', 'RUNNING')
                OR (other.status = 'FAILED'
                    AND {part(retry_in_time, other)}
                    AND (other.failed_at, other.id) > (pending.failed_at, pending.id))
            )
            OFFSET 0
        )
        AND EXISTS (
            SELECT 1 FROM {schema}.key_masters AS master
            WHERE master.id = pending.key_id AND master.status = 'active'
            OFFSET 0
        )
    ORDER BY pending.key_id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
