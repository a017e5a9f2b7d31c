SELECT recorded_by, count(*) AS entries
FROM {schema}.key_audit_logs WHERE {part(within)} GROUP BY recorded_by ORDER BY recorded_by
