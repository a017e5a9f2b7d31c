-- The starts of rotations, and the activations of later versions that no start explains: a rotation that began in its
-- window may end after it. The window finds the last start in one pass, however many rotations a day has. MATERIALIZED:
-- PostgreSQL would otherwise search idx_key_audit_logs_history for each key.
WITH moment AS MATERIALIZED (
    SELECT
        entry.id, entry.sequence, entry.timestamp, entry.event_type, entry.key_id, entry.recorded_by, entry.user_id,
        {day(entry.timestamp)} AS day, {json_id(entry.additional_metadata, id)} AS row_id,
        max(CASE WHEN entry.event_type <> 'VERSION_ACTIVATED' THEN entry.timestamp END)
            OVER (PARTITION BY entry.key_id ORDER BY entry.timestamp) AS begun_at
    FROM {schema}.key_audit_logs AS entry
    WHERE
        entry.timestamp >= {hours_after(%(since)s, -{explained_hours})} AND entry.timestamp < %(until)s
        AND entry.event_type IN ('ROTATION_STARTED', 'ROTATION_TAKEN_OVER', 'VERSION_ACTIVATED')
),
found AS (
    SELECT
        moment.day, moment.recorded_by, moment.user_id, rotation.policy_id, moment.id, moment.sequence, moment.timestamp,
        moment.event_type, moment.key_id
    FROM moment
    LEFT JOIN {schema}.key_rotations AS rotation ON rotation.id = moment.row_id
    WHERE
        moment.event_type = 'ROTATION_STARTED' AND moment.timestamp >= %(since)s
        AND (rotation.policy_id IS NOT NULL OR rotation.trigger IS NULL OR rotation.trigger <> 'usage_count')
    UNION ALL
    SELECT
        moment.day, moment.recorded_by, moment.user_id, NULL AS policy_id, moment.id, moment.sequence, moment.timestamp,
        moment.event_type, moment.key_id
    FROM moment
    JOIN {schema}.key_versions AS version ON version.id = moment.row_id
    WHERE
        moment.event_type = 'VERSION_ACTIVATED' AND moment.timestamp >= %(since)s AND version.version_number > 1
        AND (moment.begun_at IS NULL OR moment.begun_at < {hours_after(moment.timestamp, -{explained_hours})})
)
SELECT
    found.day, found.recorded_by, found.user_id, NULL AS about, 1 AS total, master.key_type AS figure,
    found.policy_id AS usual, found.id, found.sequence, found.timestamp, found.event_type, master.key_id,
    found.timestamp AS last_at
FROM found
JOIN {schema}.key_masters AS master ON master.id = found.key_id
ORDER BY found.sequence
