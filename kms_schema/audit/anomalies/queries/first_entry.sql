-- The time of the first entry that is left.
SELECT entry.timestamp FROM {schema}.key_audit_logs AS entry ORDER BY entry.sequence LIMIT 1
