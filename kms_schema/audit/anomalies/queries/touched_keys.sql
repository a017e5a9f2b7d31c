-- The logins that use or change many keys on a day, with the first entries about as many of the keys as asked for.
WITH touched AS (
    SELECT
        entry.recorded_by, CASE WHEN entry.event_type IN ({uses}) THEN 'uses' ELSE 'changes' END AS kind,
        {day(entry.timestamp)} AS day, entry.key_id, min(entry.sequence) AS first_sequence,
        min(entry.timestamp) AS first_at
    FROM {schema}.key_audit_logs AS entry
    WHERE
        entry.timestamp >= %(since)s AND entry.timestamp < %(until)s
        AND entry.event_type IN ({uses}, {changes}) AND {part(has_key)}
    GROUP BY 1, 2, 3, 4
),
numbered AS (
    SELECT
        touched.recorded_by, touched.kind, touched.day, touched.first_sequence,
        row_number() OVER (
            PARTITION BY touched.day, touched.recorded_by, touched.kind ORDER BY touched.first_sequence
        ) AS place,
        count(*) OVER (PARTITION BY touched.day, touched.recorded_by, touched.kind) AS total,
        max(touched.first_at) OVER (PARTITION BY touched.day, touched.recorded_by, touched.kind) AS last_at
    FROM touched
)
SELECT
    numbered.day, entry.recorded_by, NULL AS user_id, numbered.kind AS about, numbered.total, NULL AS figure,
    NULL AS usual, entry.id, entry.sequence, entry.timestamp, entry.event_type, master.key_id, numbered.last_at
FROM numbered
JOIN {schema}.key_audit_logs AS entry ON entry.sequence = numbered.first_sequence
JOIN {schema}.key_masters AS master ON master.id = entry.key_id
WHERE numbered.place <= %(places)s AND numbered.total >= {sweep_keys}
ORDER BY numbered.day, numbered.recorded_by, numbered.kind, numbered.place
