SELECT id, key_id, key_type, CASE WHEN overdue THEN 'overdue ' ELSE 'due ' END || reason AS about,
    due_at AS measure, overdue AS shown
FROM {schema}.rotations_due
UNION ALL
{part(still_open)}
