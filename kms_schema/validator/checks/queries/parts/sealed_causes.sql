{part(causes_among, {only()} {schema}.key_audit_logs)} EXCEPT {part(causes_among, {schema}.key_audit_unsealed)}
