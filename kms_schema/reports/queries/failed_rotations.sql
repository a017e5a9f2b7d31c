SELECT master.key_id, rotation.failed_at, rotation.retry_count, rotation.max_retries
FROM {schema}.key_rotations AS rotation JOIN {schema}.key_masters AS master ON master.id = rotation.key_id
WHERE rotation.status = 'FAILED' AND master.status = 'active'
    AND NOT (rotation.retry_count < rotation.max_retries AND rotation.next_retry_at IS NOT NULL
        AND rotation.next_retry_at > {day_ago} AND rotation.next_retry_at < {in_a_week})
    AND NOT {part(later_success, rotation)} AND NOT {part(later_version, rotation)}
ORDER BY rotation.failed_at, master.key_id
