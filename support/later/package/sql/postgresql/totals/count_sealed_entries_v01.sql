INSERT INTO {schema}.key_audit_category_totals (event_category, event_count)
SELECT entry.event_category, count(*)
FROM ONLY {schema}.key_audit_logs AS entry
WHERE entry.sequence <= (
        SELECT last_sequence FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1
    )
    AND NOT EXISTS (
        SELECT 1
        FROM (SELECT open_gaps FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1) AS newest
        CROSS JOIN LATERAL jsonb_array_elements(newest.open_gaps) AS gap (span)
        WHERE entry.sequence BETWEEN (gap.span ->> 0)::bigint AND (gap.span ->> 1)::bigint
    )
GROUP BY entry.event_category
