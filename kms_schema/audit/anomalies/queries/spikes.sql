-- The keys with far more uses on a day than on any day before, with the entries that have most of them. Only the keys
-- that are unusual by the last weeks are compared with the days before these.
WITH used AS (
    SELECT entry.key_id, {day} AS day, {sum_of_uses} AS uses, count(*) AS total, max(entry.timestamp) AS last_at
    FROM {schema}.key_audit_logs AS entry
    WHERE
        entry.timestamp >= {since} AND entry.timestamp < {until}
        AND entry.event_type = 'KEY_USED' AND entry.key_id IS NOT NULL
    GROUP BY 1, 2
),
busy AS (
    SELECT used.key_id FROM used WHERE used.uses >= {spike_uses} GROUP BY used.key_id
),
recent AS (
    SELECT entry.key_id, {day} AS day, {sum_of_uses} AS uses
    FROM busy
    JOIN {schema}.key_audit_logs AS entry
        ON entry.key_id = busy.key_id
        AND entry.timestamp >= {usual_from} AND entry.timestamp < {until}
        AND entry.event_type = 'KEY_USED'
    GROUP BY 1, 2
),
unusual AS (
    SELECT used.key_id, used.day, used.uses, used.total, used.last_at, coalesce(max(recent.uses), 0) AS most
    FROM used
    LEFT JOIN recent
        ON recent.key_id = used.key_id AND recent.day >= {usual_from_of_used} AND recent.day < used.day
    WHERE used.uses >= {spike_uses}
    GROUP BY 1, 2, 3, 4, 5
    HAVING used.uses > {spike_factor} * coalesce(max(recent.uses), 0)
),
odd AS (
    SELECT unusual.key_id FROM unusual GROUP BY unusual.key_id
),
known AS (
    SELECT entry.key_id, {day} AS day, {sum_of_uses} AS uses
    FROM odd
    JOIN {schema}.key_audit_logs AS entry
        ON entry.key_id = odd.key_id
        AND entry.timestamp >= {known_from_of_all} AND entry.timestamp < {until}
        AND entry.event_type = 'KEY_USED'
    GROUP BY 1, 2
),
spikes AS (
    SELECT
        unusual.key_id, unusual.day, unusual.uses, unusual.total, unusual.last_at, max(known.uses) AS usual
    FROM unusual
    JOIN known
        ON known.key_id = unusual.key_id AND known.day >= {known_from_of_unusual} AND known.day < unusual.day
    GROUP BY 1, 2, 3, 4, 5
    HAVING
        unusual.uses > {spike_factor} * max(known.uses)
        AND min(known.day) <= {established_until_of_unusual}
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
