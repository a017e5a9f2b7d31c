-- The uses of some keys on each day of a period.
SELECT entry.key_id, {day} AS day, {sum_of_uses} AS uses
FROM {schema}.key_audit_logs AS entry
WHERE
    {is_of_keys}
    AND entry.timestamp >= {since} AND entry.timestamp < {until}
    AND entry.event_type = 'KEY_USED'
GROUP BY 1, 2
