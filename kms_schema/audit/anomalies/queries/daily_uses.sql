-- The uses of some keys on each day of a period.
SELECT entry.key_id, {day(entry.timestamp)} AS day, {sum({part(uses_of_entry)})} AS uses
FROM {schema}.key_audit_logs AS entry
WHERE
    {is_of(entry.key_id, keys)}
    AND entry.timestamp >= %(since)s AND entry.timestamp < %(until)s
    AND entry.event_type = 'KEY_USED'
GROUP BY 1, 2
