-- Not `key_id IS NOT NULL`: PostgreSQL 18 would search idx_key_audit_logs_history once for each key.
CAST(entry.key_id AS text) IS NOT NULL
