SELECT count(*) FROM {schema}.key_audit_logs WHERE NOT (sequence = 1 AND event_type = 'system_init')
