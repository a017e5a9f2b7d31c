UPDATE {schema}.key_rotations
SET status = 'COMPLETED', new_version = coalesce(CAST(%(new_version)s AS integer), new_version),
    affected_records = coalesce(CAST(%(affected_records)s AS bigint), affected_records),
    completed_at = {greatest({clock()}, started_at)}, execution_time_ms = {milliseconds_since(started_at)}
WHERE id = %(id)s AND {part(claimed)}
