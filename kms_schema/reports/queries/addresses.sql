SELECT count(*) AS entries, count(client_ip) AS entries_with_address
FROM {schema}.key_audit_logs WHERE {part(within)}
