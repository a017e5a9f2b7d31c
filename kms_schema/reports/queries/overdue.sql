-- rotations_due leaves out keys that have a rotation or a retry: a worker has them. No worker need take them, and a
-- rotation can be planned for any time, so these keys are compared with their limits here, by the rules of that view.
WITH waiting AS MATERIALIZED (
    SELECT rotation.key_id, max(rotation.status) AS rotation_status,
        min(CASE rotation.status WHEN 'FAILED' THEN rotation.next_retry_at ELSE rotation.scheduled_at END) AS planned_at
    FROM {schema}.key_rotations AS rotation
    WHERE rotation.status IN ('SCHEDULED', 'RUNNING')
        OR (rotation.status = 'FAILED' AND {part(retry_in_time, rotation)} AND NOT {part(later_success, rotation)})
    GROUP BY rotation.key_id
),
waiting_key AS MATERIALIZED (
    SELECT master.id, master.key_id, master.key_type, master.algorithm, master.max_usage_count, master.rotated_at,
        coalesce(master.rotated_at, master.activated_at) AS since, master.expires_at, live.activated_at AS live_since,
        live.usage_count, live.data_volume_bytes, waiting.rotation_status, waiting.planned_at
    FROM waiting JOIN {schema}.key_masters AS master ON master.id = waiting.key_id
    LEFT JOIN {schema}.key_versions AS live
        ON live.key_id = master.id AND live.activated_at IS NOT NULL AND live.deactivated_at IS NULL
    WHERE master.status = 'active'
),
cause AS (
    SELECT key_id, reason, occurred_at FROM {schema}.key_rotation_causes
    UNION ALL
    SELECT key_id, CASE event_category WHEN 'SECURITY' THEN 'incident' ELSE 'compliance' END, "timestamp"
    FROM {schema}.key_audit_unsealed
    WHERE (event_category = 'SECURITY' AND security_level = 'CRITICAL')
        OR (event_category = 'COMPLIANCE' AND event_type = 'ROTATION_REQUIRED')
),
reached AS (
    SELECT waits.id, 'time' AS reason, 1 AS urgency, policy.policy_name,
        {hours_after(waits.since, 24 * policy.rotation_interval_days)} AS due_at
    FROM waiting_key AS waits JOIN {schema}.rotation_policies AS policy ON policy.key_type = waits.key_type
    WHERE policy.is_active AND policy.rotation_interval_days < 700000
        AND {hours_after(waits.since, 24 * policy.rotation_interval_days)} <= {now}
    UNION ALL
    SELECT waits.id, 'age', 2, policy.policy_name, {hours_after(waits.live_since, 24 * policy.max_key_age_days)}
    FROM waiting_key AS waits JOIN {schema}.rotation_policies AS policy ON policy.key_type = waits.key_type
    WHERE policy.is_active AND policy.max_key_age_days < 700000
        AND {hours_after(waits.live_since, 24 * policy.max_key_age_days)} <= {now}
    UNION ALL
    SELECT waits.id, 'usage', 3, policy.policy_name, NULL
    FROM waiting_key AS waits JOIN {schema}.rotation_policies AS policy ON policy.key_type = waits.key_type
    WHERE policy.is_active AND waits.usage_count >= policy.max_operations
    UNION ALL
    SELECT waits.id, 'usage', 3, NULL, NULL
    FROM waiting_key AS waits WHERE waits.usage_count >= waits.max_usage_count
        OR (waits.algorithm = 'AES-256-GCM' AND waits.usage_count >= 2147483648)
        OR waits.usage_count >= 1000000000000000
    UNION ALL
    SELECT waits.id, 'volume', 4, policy.policy_name, NULL
    FROM waiting_key AS waits JOIN {schema}.rotation_policies AS policy ON policy.key_type = waits.key_type
    WHERE policy.is_active AND waits.data_volume_bytes >= policy.max_data_volume_mb * 1048576
    UNION ALL
    SELECT waits.id, 'expiry', 6, policy.policy_name, waits.expires_at
    FROM waiting_key AS waits JOIN {schema}.rotation_policies AS policy ON policy.key_type = waits.key_type
    WHERE policy.is_active AND waits.expires_at <= {now}
    UNION ALL
    SELECT waits.id, cause.reason, CASE cause.reason WHEN 'incident' THEN 7 ELSE 5 END, policy.policy_name,
        min(cause.occurred_at)
    FROM cause JOIN waiting_key AS waits ON waits.id = cause.key_id
    JOIN {schema}.rotation_policies AS policy ON policy.key_type = waits.key_type
    WHERE policy.is_active AND (waits.rotated_at IS NULL OR cause.occurred_at > waits.rotated_at)
        AND CASE cause.reason WHEN 'incident' THEN policy.rotate_on_security_incident
            WHEN 'compliance' THEN policy.rotate_on_compliance_requirement END
    GROUP BY waits.id, cause.reason, policy.policy_name
),
choices AS (
    SELECT reached.*, row_number() OVER (
        PARTITION BY id ORDER BY urgency DESC, due_at, coalesce(policy_name, '')
    ) AS choice
    FROM reached
)
SELECT key_id, key_type, reason, policy_name, due_at, NULL AS rotation_status, NULL AS planned_at
FROM {schema}.rotations_due WHERE overdue
UNION ALL
SELECT waits.key_id, waits.key_type, choices.reason, choices.policy_name, choices.due_at, waits.rotation_status,
    waits.planned_at
FROM choices JOIN waiting_key AS waits ON waits.id = choices.id
WHERE choices.choice = 1
ORDER BY key_id
