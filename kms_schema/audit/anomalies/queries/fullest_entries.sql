-- The entries with most uses of some keys, for each day.
WITH numbered AS (
    SELECT
        entry.id, entry.sequence, entry.timestamp, entry.event_type, entry.key_id, {day(entry.timestamp)} AS day,
        row_number() OVER (
            PARTITION BY entry.key_id, {day(entry.timestamp)} ORDER BY {part(uses_of_entry)} DESC, entry.sequence
        ) AS place
    FROM {schema}.key_audit_logs AS entry
    WHERE
        {is_of(entry.key_id, keys)}
        AND entry.timestamp >= %(since)s AND entry.timestamp < %(until)s
        AND entry.event_type = 'KEY_USED'
)
SELECT
    numbered.day, NULL AS recorded_by, NULL AS user_id, master.key_id AS about, 0 AS total, numbered.key_id AS figure,
    NULL AS usual, numbered.id, numbered.sequence, numbered.timestamp, numbered.event_type, master.key_id,
    numbered.timestamp AS last_at
FROM numbered
JOIN {schema}.key_masters AS master ON master.id = numbered.key_id
WHERE numbered.place <= {most_entries}
ORDER BY numbered.day, master.key_id, numbered.place
