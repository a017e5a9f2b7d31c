-- Retention removes the first entries, and seals stay.
SELECT (SELECT "timestamp" FROM {schema}.key_audit_logs ORDER BY sequence LIMIT 1) AS first_entry,
    (SELECT sealed_at FROM {schema}.key_audit_seals ORDER BY seal_number LIMIT 1) AS first_seal
