SELECT * FROM {schema}.rotations_due ORDER BY overdue DESC, due_at NULLS FIRST, key_id
