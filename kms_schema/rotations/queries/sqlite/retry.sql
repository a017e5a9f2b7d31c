UPDATE {schema}.key_rotations SET status = 'SCHEDULED', next_retry_at = NULL
WHERE id IN (
    SELECT id FROM {schema}.key_rotations AS pending INDEXED BY idx_key_rotations_retry_partial
    WHERE {part(pending)} AND next_retry_at <= {now()}
        AND NOT EXISTS (
            SELECT 1 FROM {schema}.key_rotations AS other
            WHERE other.key_id = pending.key_id AND (
                +other.status IN ('SCHEDULED', 'RUNNING')
                OR (+other.status = 'FAILED'
                    AND {part(retry_in_time, other)}
                    AND (other.failed_at, other.id) > (pending.failed_at, pending.id))
            )
        )
        AND (SELECT master.status FROM {schema}.key_masters AS master WHERE master.id = pending.key_id) = 'active'
    LIMIT %(limit)s
)
