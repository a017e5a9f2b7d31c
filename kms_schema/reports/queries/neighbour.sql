SELECT {chosen}(sequence) AS sequence FROM {schema}.key_audit_logs WHERE sequence {sign} {sequence}
