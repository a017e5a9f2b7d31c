-- The actors that changed keys in a period, each with its last change, and the first one of all.
SELECT
    entry.recorded_by, coalesce(entry.user_id, '') AS user_id, max(entry.timestamp) AS last_at,
    min(entry.timestamp) AS first_at
FROM {schema}.key_audit_logs AS entry
WHERE
    entry.timestamp >= %(since)s AND entry.timestamp < %(until)s
    AND entry.event_type IN ({changes}) AND {part(has_key)}
GROUP BY 1, 2
