SELECT key_id, key_type, expires_at
FROM {schema}.key_masters WHERE status = 'active' AND expires_at IS NOT NULL AND expires_at <= {now}
ORDER BY expires_at, key_id
