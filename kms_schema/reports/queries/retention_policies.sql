SELECT event_category, retention_period_days
FROM {schema}.key_audit_retention_policies ORDER BY event_category
