-- SQLite has no open gaps.
SELECT 'entry ' || id || ' (sequence ' || sequence || ')' AS name,
    'is below the last sealed sequence, and in no seal' AS problem, sequence AS place
FROM ({part(between_pages)}) AS between_pages
JOIN {schema}.key_audit_logs AS entries ON entries.sequence > after AND entries.sequence < before
WHERE after + 1 < before
