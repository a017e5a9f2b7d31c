SELECT key_id, key_type, status, revoked_at, status_reason
FROM {schema}.key_masters WHERE revoked_at >= {start} AND revoked_at < {end} ORDER BY revoked_at, key_id
