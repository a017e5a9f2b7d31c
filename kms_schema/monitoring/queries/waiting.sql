-- A retry is planned again by a worker unless the key has an open rotation, or is no longer active.
SELECT min(planned_at) FROM (
    SELECT min(scheduled_at) AS planned_at FROM {schema}.key_rotations
    WHERE status = 'SCHEDULED' AND scheduled_at <= %(now)s
    UNION ALL
    SELECT min(pending.next_retry_at) FROM {schema}.key_rotations AS pending
    WHERE pending.next_retry_at <= %(now)s AND {part(pending)}
        AND NOT EXISTS (
            SELECT 1 FROM {schema}.key_rotations AS other
            WHERE other.key_id = pending.key_id AND other.status IN ('SCHEDULED', 'RUNNING')
        )
        AND EXISTS (
            SELECT 1 FROM {schema}.key_masters AS master
            WHERE master.id = pending.key_id AND master.status || '' = 'active'
        )
) AS waiting
