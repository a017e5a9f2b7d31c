SELECT event_type, security_level, count(*) AS entries
FROM {schema}.key_audit_logs WHERE {part(within)}
GROUP BY event_type, security_level ORDER BY event_type, security_level
