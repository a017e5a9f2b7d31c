SELECT seal_number, sealed_at FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1
