INSERT INTO key_audit_category_totals (event_category, event_count)
SELECT entry.event_category, count(*)
FROM key_audit_logs AS entry
WHERE entry.sequence <= (SELECT last_sequence FROM key_audit_seals ORDER BY seal_number DESC LIMIT 1)
GROUP BY entry.event_category
