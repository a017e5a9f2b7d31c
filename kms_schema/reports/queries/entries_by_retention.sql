SELECT event_type, min(retention_period_days) AS shortest_retention_days
FROM {schema}.key_audit_logs WHERE {part(within)} GROUP BY event_type ORDER BY event_type
