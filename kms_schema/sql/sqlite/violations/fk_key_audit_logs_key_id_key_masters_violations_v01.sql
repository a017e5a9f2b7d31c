-- Entries about a key that was deleted while foreign keys were switched off. Entries are never changed: what mends
-- them is the key's row, put back.
WITH missing (key_id) AS (
    -- By the index on key_id alone: the trail is the largest table there is.
    SELECT key_id FROM {schema}.key_audit_logs WHERE key_id IS NOT NULL
    EXCEPT
    SELECT id FROM {schema}.key_masters
)
SELECT
    'key_audit_logs' AS table_name,
    entry.id AS row_id,
    'entry ' || entry.sequence AS row_name,
    'is about the key ' || entry.key_id || ', and there is no such key' AS problem
FROM missing
JOIN {schema}.key_audit_logs AS entry ON entry.key_id = missing.key_id
