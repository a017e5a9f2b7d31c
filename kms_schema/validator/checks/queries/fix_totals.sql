DELETE FROM {schema}.key_audit_daily_totals;
INSERT INTO {schema}.key_audit_daily_totals (day, event_category, security_level, risk_score, event_count)
SELECT day, event_category, security_level, risk_score, counted
FROM ({part(counted_entries)}) AS sums WHERE counted > 0;
