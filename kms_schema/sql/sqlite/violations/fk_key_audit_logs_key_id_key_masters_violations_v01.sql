-- Entries about a key that was deleted while foreign keys were disabled. Entries are never changed; to fix this,
-- restore the key's row.
WITH missing (key_id) AS (
    -- Uses only the index on key_id: the audit log is the largest table.
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
