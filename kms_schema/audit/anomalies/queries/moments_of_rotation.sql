-- The starts of rotations, and the activations of later versions that no start explains: a rotation that began in its
-- window may end after it. MATERIALIZED: PostgreSQL 18 would otherwise search idx_key_audit_logs_history for each key.
WITH moment AS MATERIALIZED (
    SELECT
        entry.id, entry.sequence, entry.timestamp, entry.event_type, entry.key_id, entry.recorded_by, entry.user_id,
        {day} AS day, {row_of_entry} AS row_id
    FROM {schema}.key_audit_logs AS entry
    WHERE
        entry.timestamp >= {since} AND entry.timestamp < {until}
        AND entry.event_type IN ('ROTATION_STARTED', 'VERSION_ACTIVATED')
)
SELECT
    moment.day, moment.recorded_by, moment.user_id, NULL AS about, 1 AS total, master.key_type AS figure,
    rotation.policy_id AS usual, moment.id, moment.sequence, moment.timestamp, moment.event_type, master.key_id,
    moment.timestamp AS last_at
FROM moment
JOIN {schema}.key_masters AS master ON master.id = moment.key_id
LEFT JOIN {schema}.key_rotations AS rotation
    ON moment.event_type = 'ROTATION_STARTED' AND rotation.id = moment.row_id
LEFT JOIN {schema}.key_versions AS version
    ON moment.event_type = 'VERSION_ACTIVATED' AND version.id = moment.row_id
WHERE
    CASE moment.event_type
        WHEN 'ROTATION_STARTED' THEN
            rotation.policy_id IS NOT NULL OR rotation.trigger IS NULL OR rotation.trigger <> 'usage_count'
        ELSE version.version_number > 1 AND NOT EXISTS (
            SELECT 1 FROM {schema}.key_audit_logs AS earlier
            WHERE
                earlier.key_id = moment.key_id
                AND earlier.timestamp >= {explained_from} AND earlier.timestamp <= moment.timestamp
                AND earlier.event_type IN ('ROTATION_STARTED', 'ROTATION_TAKEN_OVER')
            LIMIT 1 OFFSET 0
        )
    END
ORDER BY moment.sequence
LIMIT {most_rows}
