-- The query of a month that reads all its entries; the figures of several claims come from it.
SELECT event_type, security_level, recorded_by, count(*) AS entries,
    min(sequence) AS first_sequence, max(sequence) AS last_sequence,
    min(retention_period_days) AS shortest_retention_days
FROM {schema}.key_audit_logs WHERE {part(within)} GROUP BY 1, 2, 3
