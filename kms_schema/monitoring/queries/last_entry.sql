SELECT coalesce(max(sequence), 0), coalesce((
    SELECT last_sequence FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1
), 0) FROM {schema}.key_audit_logs
