-- Statements that added more to the counters of a version than a key ring reserves at once: the database records each.
SELECT
    {day(entry.timestamp)} AS day, entry.recorded_by, entry.user_id, master.key_id AS about, 1 AS total,
    NULL AS figure, NULL AS usual, entry.id, entry.sequence, entry.timestamp, entry.event_type, master.key_id,
    entry.timestamp AS last_at
FROM {schema}.key_audit_logs AS entry
JOIN {schema}.key_masters AS master ON master.id = entry.key_id
WHERE entry.timestamp >= %(since)s AND entry.timestamp < %(until)s AND entry.event_type = 'VERSION_COUNT_JUMPED'
ORDER BY entry.sequence
