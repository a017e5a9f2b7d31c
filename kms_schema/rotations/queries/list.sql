-- A subquery finds each key by its id, whatever the planner takes the number of rotations for.
SELECT rotation.id, {part(window)},
    (SELECT master.key_id FROM {schema}.key_masters AS master WHERE master.id = rotation.key_id) AS key_id,
    rotation."trigger" AS "trigger", rotation.status, rotation.scheduled_at,
    CASE rotation.status WHEN 'COMPLETED' THEN rotation.completed_at ELSE rotation.failed_at END AS ended_at,
    CASE WHEN rotation.retry_count < rotation.max_retries THEN rotation.next_retry_at END AS next_retry_at,
    rotation.retry_count, rotation.max_retries, rotation.claimed_by, rotation.lease_expires_at,
    rotation.old_version, rotation.new_version, rotation.error_message
FROM (
    SELECT * FROM {schema}.key_rotations WHERE status = %(status)s
    ORDER BY scheduled_at {order} LIMIT %(limit)s
) AS rotation
LEFT JOIN {schema}.rotation_policies AS policy ON policy.id = rotation.policy_id
ORDER BY rotation.scheduled_at {order}, rotation.id
