SELECT {month("timestamp")} AS "month", count(*) AS entries
FROM {schema}.key_audit_logs WHERE {part(within)} GROUP BY 1 ORDER BY 1
