-- The days on which keys had many uses.
SELECT
    entry.key_id, {day} AS day, {sum_of_uses} AS uses, count(*) AS total, max(entry.timestamp) AS last_at
FROM {schema}.key_audit_logs AS entry
WHERE
    entry.timestamp >= {since} AND entry.timestamp < {until}
    AND entry.event_type = 'KEY_USED' AND {has_key}
GROUP BY 1, 2
HAVING {sum_of_uses} >= {spike_uses}
