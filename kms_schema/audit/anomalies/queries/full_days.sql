-- The days on which keys had many uses.
SELECT
    entry.key_id, {day(entry.timestamp)} AS day, {sum({part(uses_of_entry)})} AS uses, count(*) AS total,
    max(entry.timestamp) AS last_at
FROM {schema}.key_audit_logs AS entry
WHERE
    entry.timestamp >= %(since)s AND entry.timestamp < %(until)s
    AND entry.event_type = 'KEY_USED' AND {part(has_key)}
GROUP BY 1, 2
HAVING {sum({part(uses_of_entry)})} >= {spike_uses}
