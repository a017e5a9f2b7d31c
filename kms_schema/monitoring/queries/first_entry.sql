SELECT "timestamp", retention_period_days FROM {schema}.key_audit_logs ORDER BY sequence LIMIT 1
