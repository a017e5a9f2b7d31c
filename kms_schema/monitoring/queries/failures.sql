-- As key_health_monitor counts attempts, of the last 30 days. SQLite takes the order of CROSS JOIN. An expression of a
-- status has no index, which SQLite would take even if it reads more rows.
SELECT master.id, master.key_id, master.key_type, 'failing' AS about, failed.attempts AS measure,
    1 = 1 AS shown
FROM (
    SELECT rotation.key_id,
        sum(rotation.retry_count + CASE rotation.status WHEN 'FAILED' THEN 1 ELSE 0 END) AS attempts
    FROM (
        SELECT key_id, status, retry_count, failed_at
        FROM {schema}.key_rotations {indexed_by(idx_key_rotations_failed_partial)}
        WHERE status = 'FAILED' AND failed_at >= %(since)s
        UNION ALL
        SELECT key_id, status, retry_count, failed_at
        FROM {schema}.key_rotations {indexed_by(idx_key_rotations_scheduling_covering)}
        WHERE status IN ('SCHEDULED', 'RUNNING') AND failed_at IS NOT NULL
    ) AS rotation
    WHERE NOT {part(later_success, rotation)} AND NOT {part(later_version, rotation)}
    GROUP BY rotation.key_id
) AS failed
CROSS JOIN {schema}.key_masters AS master
WHERE master.id = failed.key_id AND master.status || '' = 'active'
