-- The number of keys that some logins used or changed on each day of a period.
SELECT touched.recorded_by, touched.kind, touched.day, count(*) AS total
FROM (
    SELECT
        entry.recorded_by, CASE WHEN entry.event_type IN ({uses}) THEN 'uses' ELSE 'changes' END AS kind,
        {day(entry.timestamp)} AS day, entry.key_id
    FROM {schema}.key_audit_logs AS entry
    WHERE
        entry.timestamp >= %(since)s AND entry.timestamp < %(until)s
        AND entry.event_type IN ({uses}, {changes}) AND {part(has_key)}
        AND {is_of(entry.recorded_by, actors)}
    GROUP BY 1, 2, 3, 4
) AS touched
GROUP BY 1, 2, 3
