-- The keys with more uses on a day than on any day before, with the entries that have most of them. The first bound of
-- the period is that of all days, for the index of times; the second is that of the day.
WITH used AS (
    SELECT entry.key_id, {day} AS day, {sum_of_uses} AS uses, count(*) AS total, max(entry.timestamp) AS last_at
    FROM {schema}.key_audit_logs AS entry
    WHERE
        entry.timestamp >= {since} AND entry.timestamp < {until}
        AND entry.event_type = 'KEY_USED' AND entry.key_id IS NOT NULL
    GROUP BY 1, 2
),
past AS (
    SELECT used.key_id, used.day, used.uses, used.total, used.last_at, {day} AS past, {sum_of_uses} AS past_uses
    FROM used
    JOIN {schema}.key_audit_logs AS entry
        ON entry.key_id = used.key_id
        AND entry.timestamp >= {usual_from} AND entry.timestamp < {until}
        AND entry.timestamp >= {usual_from_of_day} AND entry.timestamp < used.day
        AND entry.event_type = 'KEY_USED'
    WHERE used.uses >= {spike_uses}
    GROUP BY 1, 2, 3, 4, 5, 6
),
spikes AS (
    SELECT past.key_id, past.day, past.uses, past.total, past.last_at, max(past.past_uses) AS usual
    FROM past
    GROUP BY 1, 2, 3, 4, 5
    HAVING past.uses > {spike_factor} * max(past.past_uses) AND min(past.past) <= {established_until_of_past}
),
numbered AS (
    SELECT
        spikes.day, spikes.uses, spikes.usual, spikes.total, spikes.last_at,
        entry.id, entry.sequence, entry.timestamp, entry.event_type, entry.key_id,
        row_number() OVER (PARTITION BY spikes.key_id, spikes.day ORDER BY {uses_of_entry} DESC, entry.sequence) AS place
    FROM spikes
    JOIN {schema}.key_audit_logs AS entry
        ON entry.key_id = spikes.key_id
        AND entry.timestamp >= {since} AND entry.timestamp < {until}
        AND {day} = spikes.day
        AND entry.event_type = 'KEY_USED'
)
SELECT
    numbered.day, NULL AS recorded_by, NULL AS user_id, master.key_id AS about, numbered.total,
    numbered.uses AS figure, numbered.usual,
    numbered.id, numbered.sequence, numbered.timestamp, numbered.event_type, master.key_id, numbered.last_at
FROM numbered
JOIN {schema}.key_masters AS master ON master.id = numbered.key_id
WHERE numbered.place <= {most_entries}
ORDER BY numbered.day, master.key_id, numbered.place
LIMIT {most_rows}
