SELECT master.key_id, master.key_type, master.activated_at
FROM {schema}.key_masters AS master WHERE master.status = 'active' AND {part(without_limit)}
ORDER BY master.key_id
