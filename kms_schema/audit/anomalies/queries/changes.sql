-- The actors that change keys, by day, with their first entries, as many as asked for.
WITH numbered AS (
    SELECT
        entry.id, entry.sequence, entry.timestamp, entry.event_type, entry.key_id, entry.recorded_by, entry.user_id,
        {day(entry.timestamp)} AS day,
        row_number() OVER (
            PARTITION BY {day(entry.timestamp)}, entry.recorded_by, coalesce(entry.user_id, '') ORDER BY entry.sequence
        ) AS place,
        count(*) OVER (PARTITION BY {day(entry.timestamp)}, entry.recorded_by, coalesce(entry.user_id, '')) AS total,
        max(entry.timestamp) OVER (
            PARTITION BY {day(entry.timestamp)}, entry.recorded_by, coalesce(entry.user_id, '')
        ) AS last_at
    FROM {schema}.key_audit_logs AS entry
    WHERE
        entry.timestamp >= %(since)s AND entry.timestamp < %(until)s
        AND entry.event_type IN ({changes}) AND {part(has_key)}
)
SELECT
    numbered.day, numbered.recorded_by, numbered.user_id, 'changes' AS about, numbered.total, NULL AS figure,
    NULL AS usual, numbered.id, numbered.sequence, numbered.timestamp, numbered.event_type, master.key_id,
    numbered.last_at
FROM numbered
JOIN {schema}.key_masters AS master ON master.id = numbered.key_id
WHERE numbered.place <= %(places)s
ORDER BY numbered.day, numbered.recorded_by, numbered.user_id, numbered.place
