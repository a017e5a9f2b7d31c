SELECT count(*) FROM {schema}.key_audit_seals
