-- Ordered by key, so that two sessions cannot deadlock. OFFSET 0 prevents the planner from scanning all keys.
INSERT INTO {schema}.key_rotations AS rotation
    (key_id, policy_id, trigger, trigger_details, scheduled_at, old_version)
SELECT due.id, due.policy_id, {part(trigger_of_reason)},
    jsonb_build_object(
        'reason', due.reason, 'reasons', due.reasons, 'policy_name', due.policy_name, 'due_at', due.due_at
    ),
    CASE WHEN due.reason IN ('time', 'age') THEN greatest(due.due_at, now()) ELSE now() END,
    due.live_version
FROM {schema}.rotations_due AS due
WHERE due.reasons <> '["expiry"]'::jsonb OR NOT EXISTS (
    SELECT 1 FROM {schema}.key_masters AS master, {schema}.rotation_policies AS policy
    WHERE master.id = due.id AND policy.id = due.policy_id
        AND master.rotated_at >= {hours_after(due.due_at, -least(policy.notify_before_rotation_hours, 8766000))}
    OFFSET 0
)
ORDER BY due.id
LIMIT %(limit)s
ON CONFLICT (key_id) WHERE status IN ('SCHEDULED', 'RUNNING') DO NOTHING
