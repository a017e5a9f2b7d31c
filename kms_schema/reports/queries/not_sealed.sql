SELECT 'sequence ' || sequence AS object, 'no seal covers it' AS problem
FROM {schema}.key_audit_unsealed WHERE {part(within)} AND "timestamp" < {day_ago}
UNION ALL
SELECT 'seal ' || seal_number, 'it is not signed'
FROM {schema}.key_audit_seals WHERE sealed_at >= {start} AND sealed_at < {end} AND signature IS NULL
ORDER BY 1
