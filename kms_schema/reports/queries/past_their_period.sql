SELECT sequence, "timestamp", retention_period_days, event_type
FROM {schema}.key_audit_logs WHERE "timestamp" < {month_ago}
    AND {hours_after("timestamp", 24 * retention_period_days)} < {month_ago}
ORDER BY sequence
