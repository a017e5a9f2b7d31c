-- The keys that an actor uses on a day and has not used in the days before, although others have. A subquery with
-- OFFSET stays one: it looks up each key in idx_key_audit_logs_history, and stops at the first entry that fits.
WITH used AS (
    SELECT
        entry.key_id, entry.recorded_by, coalesce(entry.user_id, '') AS user_id, {day(entry.timestamp)} AS day,
        min(entry.sequence) AS first_sequence, min(entry.timestamp) AS first_at
    FROM {schema}.key_audit_logs AS entry
    WHERE
        entry.timestamp >= %(since)s AND entry.timestamp < %(until)s
        AND entry.event_type = 'KEY_USED' AND {part(has_key)}
    GROUP BY 1, 2, 3, 4
),
fresh AS (
    SELECT used.key_id, used.recorded_by, used.user_id, used.day, used.first_sequence, used.first_at
    FROM used
    WHERE
        NOT EXISTS (
            SELECT 1 FROM {schema}.key_audit_logs AS earlier
            WHERE
                earlier.key_id = used.key_id
                AND earlier.timestamp >= {hours_after(used.day, -24 * {known_days})} AND earlier.timestamp < used.day
                AND earlier.event_type = 'KEY_USED' AND earlier.recorded_by = used.recorded_by
                AND coalesce(earlier.user_id, '') = used.user_id
            LIMIT 1 OFFSET 0
        )
        AND EXISTS (
            SELECT 1 FROM {schema}.key_audit_logs AS earlier
            WHERE
                earlier.key_id = used.key_id
                AND earlier.timestamp >= {hours_after(used.day, -24 * {known_days})}
                AND earlier.timestamp < {hours_after(used.day, -24 * {established_days})}
                AND earlier.event_type = 'KEY_USED'
            LIMIT 1 OFFSET 0
        )
),
numbered AS (
    SELECT
        fresh.recorded_by, fresh.user_id, fresh.day, fresh.first_sequence,
        row_number() OVER (
            PARTITION BY fresh.day, fresh.recorded_by, fresh.user_id ORDER BY fresh.first_sequence
        ) AS place,
        count(*) OVER (PARTITION BY fresh.day, fresh.recorded_by, fresh.user_id) AS total,
        max(fresh.first_at) OVER (PARTITION BY fresh.day, fresh.recorded_by, fresh.user_id) AS last_at
    FROM fresh
)
SELECT
    numbered.day, entry.recorded_by, entry.user_id, 'uses' AS about, numbered.total, NULL AS figure, NULL AS usual,
    entry.id, entry.sequence, entry.timestamp, entry.event_type, master.key_id, numbered.last_at
FROM numbered
JOIN {schema}.key_audit_logs AS entry ON entry.sequence = numbered.first_sequence
JOIN {schema}.key_masters AS master ON master.id = entry.key_id
WHERE numbered.place <= {most_entries}
ORDER BY numbered.day, numbered.recorded_by, numbered.user_id, numbered.place
