-- From entries to keys, in one pass over the log: from keys to entries, a key with many uses costs a search of all.
WITH used AS MATERIALIZED (
    SELECT DISTINCT entry.key_id FROM {schema}.key_audit_logs AS entry
    JOIN {schema}.key_masters AS master ON master.id = entry.key_id
    WHERE entry."timestamp" >= {start} AND entry."timestamp" < {end} AND entry.event_type = 'KEY_USED'
        AND entry."timestamp" > {hours_after({part(retired_at)}, 2)}
        AND {json_text(entry.additional_metadata, encryptions)} <> '0'
)
SELECT master.key_id, master.status, {part(retired_at)} AS retired_at
FROM used JOIN {schema}.key_masters AS master ON master.id = used.key_id
ORDER BY master.key_id
