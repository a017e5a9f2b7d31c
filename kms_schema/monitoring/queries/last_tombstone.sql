SELECT leaf_count FROM {schema}.key_audit_tombstones ORDER BY seal_number DESC LIMIT 1
