(SELECT {0} FROM {only()} {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1)
