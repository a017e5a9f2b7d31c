-- Without the first time, SQLite 3.35 reads the whole index.
SELECT waiting.count, waiting.retried, waiting.earliest, {part(window)}
FROM (
    SELECT policy_id, scheduled_at > {clock()} AS later, 0 AS retried, count(*) AS count,
        min(scheduled_at) AS earliest
    FROM {schema}.key_rotations {indexed_by(idx_key_rotations_scheduling_covering)}
    WHERE status = 'SCHEDULED' AND scheduled_at > {first_time()} GROUP BY 1, 2
    UNION ALL
    SELECT NULL, TRUE, 1, count(*), min(next_retry_at)
    FROM {schema}.key_rotations {indexed_by(idx_key_rotations_retry_partial)}
    WHERE {part(pending)} AND next_retry_at > {clock()}
) AS waiting
LEFT JOIN {schema}.rotation_policies AS policy ON policy.id = waiting.policy_id
WHERE waiting.count > 0
ORDER BY waiting.retried, waiting.earliest, policy.policy_name
