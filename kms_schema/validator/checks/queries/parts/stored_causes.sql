SELECT key_id, sequence, reason, occurred_at FROM {schema}.key_rotation_causes
