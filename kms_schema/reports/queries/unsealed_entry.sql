SELECT count(*) AS entries FROM {schema}.key_audit_unsealed WHERE sequence = {sequence}
