-- OFFSET 0 keeps the planner from comparing every entry with each range.
SELECT 'entry ' || id || ' (sequence ' || sequence || ')' AS name,
    'is below the last sealed sequence, and in no seal' AS problem, sequence AS place
FROM ({part(between_pages)}) AS between_pages
CROSS JOIN LATERAL (SELECT id, sequence FROM {only()} {schema}.key_audit_logs AS found
    WHERE found.sequence > after AND found.sequence < before OFFSET 0) AS entries
WHERE after + 1 < before AND NOT EXISTS (SELECT 1 FROM jsonb_array_elements({part(last_seal, open_gaps)}) AS gap
    WHERE entries.sequence BETWEEN (gap ->> 0)::bigint AND (gap ->> 1)::bigint)
