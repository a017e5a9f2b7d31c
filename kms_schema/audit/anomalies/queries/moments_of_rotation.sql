-- The starts of rotations, and the activations of later versions that no start explains: a rotation that began in its
-- window may end after it.
SELECT
    {day} AS day, entry.recorded_by, entry.user_id, NULL AS about, 1 AS total, master.key_type AS figure,
    rotation.policy_id AS usual, entry.id, entry.sequence, entry.timestamp, entry.event_type, master.key_id,
    entry.timestamp AS last_at
FROM {schema}.key_audit_logs AS entry
JOIN {schema}.key_masters AS master ON master.id = entry.key_id
LEFT JOIN {schema}.key_rotations AS rotation
    ON entry.event_type = 'ROTATION_STARTED' AND rotation.id = {row_of_entry}
LEFT JOIN {schema}.key_versions AS version
    ON entry.event_type = 'VERSION_ACTIVATED' AND version.id = {row_of_entry}
WHERE
    entry.timestamp >= {since} AND entry.timestamp < {until}
    AND entry.event_type IN ('ROTATION_STARTED', 'VERSION_ACTIVATED')
    AND (
        entry.event_type = 'VERSION_ACTIVATED'
        OR rotation.policy_id IS NOT NULL OR rotation.trigger IS NULL OR rotation.trigger <> 'usage_count'
    )
    AND (
        entry.event_type = 'ROTATION_STARTED'
        OR (
            version.version_number > 1
            AND NOT EXISTS (
                SELECT 1 FROM {schema}.key_audit_logs AS earlier
                WHERE
                    earlier.key_id = entry.key_id
                    AND earlier.timestamp >= {explained_from} AND earlier.timestamp <= entry.timestamp
                    AND earlier.event_type IN ('ROTATION_STARTED', 'ROTATION_TAKEN_OVER')
                ORDER BY earlier.timestamp DESC LIMIT 1 OFFSET 0
            )
        )
    )
ORDER BY entry.sequence
LIMIT {most_rows}
