-- The keys that are due for rotation, or will be within the notice of a policy that applies to them: one row a key.
--
-- Included are active keys, since no others can be rotated, under every active policy of their key type and no policy. Keys with an
-- open rotation or a pending retry are excluded: a worker already has them. A retry is no longer pending once another
-- rotation of the key has succeeded since the failure. One that is planned for more than 8 days after the failure, a day
-- more than the longest backoff, is not pending at all: no entry records the time of a retry, so it hides no key.
--
-- Reasons, the least urgent first:
--   time        last rotation, else activation, plus rotation_interval_days
--   age         activation of the live version plus max_key_age_days (NIST SP 800-57: a cryptoperiod starts with use)
--   usage       operations of the live version reach max_operations; or 90 % of the number at which the key encrypts no
--               more (max_usage_count of the key, 2^31 for AES-256-GCM, 10^15), without a policy: policy_id is then null
--   volume      bytes of the live version reach max_data_volume_mb, a megabyte being 1024 * 1024 bytes
--   compliance  an entry COMPLIANCE / ROTATION_REQUIRED about the key since its last rotation
--   expiry      expires_at
--   incident    a CRITICAL entry of category SECURITY about the key since its last rotation
--
-- A limit that is passed precedes one that is near; then the list above decides. `reason` is the most urgent reason,
-- `reasons` has all of them, the most urgent first. `policy_id`, `policy_name` and `due_at` belong to `reason`; of
-- several policies with the same reason, the one whose limit comes first, then none, then the first by name. `due_at` is the time
-- at which the limit is or was reached. It is null for usage and volume, because the time at which a counter passes a
-- value is not recorded. `overdue` is true if the limit is passed; at 90 % of a key's own limit it is not. Only time, age and expiry are known in advance, so
-- only they appear early, by notify_before_rotation_hours. The worker applies the window and its time zone: a window
-- never hides a key.
--
-- Query cost is proportional to the keys that are due, not to all keys. Each branch starts from the few policies and
-- reaches the keys through an index that begins with the key type. Incidents come from key_rotation_causes, which
-- sealing maintains, and from unsealed entries, so the audit log is not scanned. CROSS JOIN fixes that order,
-- MATERIALIZED computes the limits once, and a plus sign before a column prevents use of an index with low selectivity.
-- Counters have no index, so that counting use updates none; their index bounds have one, and versions found by an index bound
-- are compared with the counter. Versions written before revision 005, whose triggers set index bounds and key type, have
-- neither; they are read one by one until they do. Times are text of one format and compare as text, to the
-- microsecond. Date functions have a precision of milliseconds: they get whole seconds, and the fraction is appended
-- afterwards.
CREATE VIEW rotations_due AS
WITH clock AS (
    SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' AS at
),
-- The limits of each active policy, as hours and bytes, and as the times up to which they have been reached or will be
-- within the notice. A limit of 700 000 days or more (1 900 years), or of more bytes than a counter holds, is never
-- reached. A notice of over 1 000 years counts as 1 000. So times and counters stay in range.
limits AS MATERIALIZED (
    SELECT
        span.*,
        strftime('%Y-%m-%dT%H:%M:%S', substr(clock.at, 1, 19), (span.notice - span.rotation_interval) || ' hours')
        || substr(clock.at, 20) AS rotated_by,
        strftime('%Y-%m-%dT%H:%M:%S', substr(clock.at, 1, 19), (span.notice - span.maximum_age) || ' hours')
        || substr(clock.at, 20) AS activated_by,
        strftime('%Y-%m-%dT%H:%M:%S', substr(clock.at, 1, 19), span.notice || ' hours')
        || substr(clock.at, 20) AS expires_by
    FROM clock
    CROSS JOIN (
        SELECT
            id,
            policy_name,
            key_type,
            max_operations,
            max_data_volume_mb * 1048576 AS max_bytes,
            rotate_on_security_incident,
            rotate_on_compliance_requirement,
            CASE WHEN rotation_interval_days < 700000 THEN 24 * rotation_interval_days END AS rotation_interval,
            CASE WHEN max_key_age_days < 700000 THEN 24 * max_key_age_days END AS maximum_age,
            min(notify_before_rotation_hours, 8766000) AS notice
        FROM rotation_policies
        WHERE is_active
    ) AS span
),
-- Limits that live versions have reached; their keys are looked up below.
of_live_version AS (
    SELECT
        live.key_id AS key_master_id,
        limits.key_type,
        limits.id AS policy_id,
        limits.policy_name,
        'age' AS reason,
        2 AS urgency,
        strftime('%Y-%m-%dT%H:%M:%S', substr(live.activated_at, 1, 19), limits.maximum_age || ' hours')
        || substr(live.activated_at, 20) AS due_at
    FROM limits
    CROSS JOIN key_versions AS live
    WHERE
        live.key_type = limits.key_type
        AND live.activated_at IS NOT NULL
        AND live.activated_at <= limits.activated_by
        AND live.deactivated_at IS NULL

    UNION ALL

    SELECT live.key_id, limits.key_type, limits.id, limits.policy_name, 'usage', 3, NULL
    FROM limits
    CROSS JOIN key_versions AS live
    WHERE
        limits.max_operations IS NOT NULL
        AND live.key_type = limits.key_type
        AND live.usage_index_bound >= limits.max_operations
        AND live.usage_count >= limits.max_operations
        AND live.activated_at IS NOT NULL
        AND live.deactivated_at IS NULL

    UNION ALL

    SELECT live.key_id, limits.key_type, limits.id, limits.policy_name, 'volume', 4, NULL
    FROM limits
    CROSS JOIN key_versions AS live
    WHERE
        limits.max_bytes IS NOT NULL
        AND live.key_type = limits.key_type
        AND live.volume_index_bound >= limits.max_bytes
        AND live.data_volume_bytes >= limits.max_bytes
        AND live.activated_at IS NOT NULL
        AND live.deactivated_at IS NULL
),
-- The same for versions without index bounds.
of_unseen_version AS (
    SELECT
        live.key_id AS key_master_id,
        limits.id AS policy_id,
        limits.policy_name,
        verdict.reason,
        verdict.urgency,
        CASE verdict.reason
            WHEN 'age' THEN
                strftime('%Y-%m-%dT%H:%M:%S', substr(live.activated_at, 1, 19), limits.maximum_age || ' hours')
                || substr(live.activated_at, 20)
        END AS due_at
    FROM key_versions AS live
    CROSS JOIN key_masters AS master
    CROSS JOIN limits
    CROSS JOIN (
        SELECT 'age' AS reason, 2 AS urgency UNION ALL SELECT 'usage', 3 UNION ALL SELECT 'volume', 4
    ) AS verdict
    WHERE
        live.key_type IS NULL
        AND live.activated_at IS NOT NULL
        AND live.deactivated_at IS NULL
        AND master.id = live.key_id
        AND +master.status = 'active'
        AND master.key_type = limits.key_type
        AND CASE verdict.reason
            WHEN 'age' THEN live.activated_at <= limits.activated_by
            WHEN 'usage' THEN live.usage_count >= limits.max_operations
            WHEN 'volume' THEN live.data_volume_bytes >= limits.max_bytes
        END
),
-- Live versions of keys that may be near their own limit: see record_key_version_index_bounds_change. The types are all
-- there are (kms_schema.vocabulary.KeyType), so that the index applies.
near_limit AS (
    SELECT live.key_id, live.usage_count
    FROM key_versions AS live
    WHERE
        live.key_type IN ('kek', 'dek', 'tls', 'hsm', 'backup')
        AND live.usage_index_bound = 9223372036854775807
        AND live.activated_at IS NOT NULL
        AND live.deactivated_at IS NULL

    UNION ALL

    SELECT live.key_id, live.usage_count
    FROM key_versions AS live
    WHERE live.key_type IS NULL AND live.activated_at IS NOT NULL AND live.deactivated_at IS NULL
),
-- Entries of the audit log that make a key due, sealed and unsealed.
causes AS (
    SELECT key_id, reason, occurred_at
    FROM key_rotation_causes

    UNION ALL

    SELECT key_id, 'incident', "timestamp"
    FROM key_audit_unsealed
    WHERE security_level = 'CRITICAL' AND event_category = 'SECURITY' AND key_id IS NOT NULL

    UNION ALL

    SELECT key_id, 'compliance', "timestamp"
    FROM key_audit_unsealed
    WHERE event_type = 'ROTATION_REQUIRED' AND event_category = 'COMPLIANCE' AND key_id IS NOT NULL
),
due AS (
    SELECT
        master.id AS key_master_id,
        limits.id AS policy_id,
        limits.policy_name,
        'time' AS reason,
        1 AS urgency,
        strftime(
            '%Y-%m-%dT%H:%M:%S',
            substr(coalesce(master.rotated_at, master.activated_at), 1, 19),
            limits.rotation_interval || ' hours'
        ) || substr(coalesce(master.rotated_at, master.activated_at), 20) AS due_at,
        FALSE AS is_near
    FROM limits
    CROSS JOIN key_masters AS master
    WHERE
        master.status = 'active'
        AND master.key_type = limits.key_type
        AND coalesce(master.rotated_at, master.activated_at) <= limits.rotated_by

    UNION ALL

    SELECT master.id, version.policy_id, version.policy_name, version.reason, version.urgency, version.due_at, FALSE
    FROM of_live_version AS version
    CROSS JOIN key_masters AS master
    WHERE
        master.id = version.key_master_id
        AND master.status = 'active'
        AND master.key_type = version.key_type

    UNION ALL

    SELECT key_master_id, policy_id, policy_name, reason, urgency, due_at, FALSE
    FROM of_unseen_version

    UNION ALL

    SELECT master.id, NULL, NULL, 'usage', 3, NULL, version.usage_count < master.most_uses
    FROM near_limit AS version
    CROSS JOIN (
        SELECT id, status, min(
            coalesce(max_usage_count, 1000000000000000),
            CASE algorithm WHEN 'AES-256-GCM' THEN 2147483648 ELSE 1000000000000000 END
        ) AS most_uses
        FROM key_masters
    ) AS master
    WHERE
        master.id = version.key_id
        AND +master.status = 'active'
        AND version.usage_count * 10 >= master.most_uses * 9

    UNION ALL

    SELECT master.id, limits.id, limits.policy_name, 'expiry', 6, master.expires_at, FALSE
    FROM limits
    CROSS JOIN key_masters AS master
    WHERE
        master.status = 'active'
        AND master.key_type = limits.key_type
        AND master.expires_at IS NOT NULL
        AND master.expires_at <= limits.expires_by

    UNION ALL

    SELECT
        master.id,
        limits.id,
        limits.policy_name,
        causes.reason,
        CASE causes.reason WHEN 'incident' THEN 7 ELSE 5 END,
        min(causes.occurred_at),
        FALSE
    FROM causes
    CROSS JOIN key_masters AS master
    CROSS JOIN limits
    WHERE
        causes.key_id = master.id
        AND +master.status = 'active'
        AND (master.rotated_at IS NULL OR causes.occurred_at > master.rotated_at)
        AND master.key_type = limits.key_type
        AND CASE causes.reason
            WHEN 'incident' THEN limits.rotate_on_security_incident
            WHEN 'compliance' THEN limits.rotate_on_compliance_requirement
        END
    GROUP BY master.id, limits.id, limits.policy_name, causes.reason
),
-- Counters and log entries are in the past; a date may be in the future.
waiting AS (
    SELECT
        due.*,
        NOT due.is_near AND (due.reason NOT IN ('time', 'age', 'expiry') OR due.due_at <= clock.at) AS is_passed
    FROM due
    CROSS JOIN clock
    WHERE
        NOT EXISTS (
            SELECT 1
            FROM key_rotations AS rotation
            WHERE rotation.key_id = due.key_master_id AND rotation.status IN ('SCHEDULED', 'RUNNING')
        )
        AND NOT EXISTS (
            SELECT 1
            FROM key_rotations AS rotation
            WHERE
                rotation.key_id = due.key_master_id
                AND +rotation.status = 'FAILED'
                AND rotation.retry_count < rotation.max_retries
                AND rotation.next_retry_at <= strftime('%Y-%m-%dT%H:%M:%S', substr(rotation.failed_at, 1, 19), '+192 hours')
                    || substr(rotation.failed_at, 20)
                AND NOT EXISTS (
                    SELECT 1
                    FROM key_rotations AS success
                    WHERE
                        success.key_id = rotation.key_id
                        AND +success.status = 'COMPLETED'
                        AND success.completed_at >= rotation.failed_at
                )
        )
),
-- Among the policies that give a key the same reason, the most urgent one has choice 1.
choices AS (
    SELECT
        waiting.*,
        row_number() OVER (
            PARTITION BY waiting.key_master_id, waiting.reason
            ORDER BY waiting.is_passed DESC, waiting.due_at, waiting.policy_name
        ) AS choice
    FROM waiting
),
-- Among the reasons of a key, the most urgent one has place 1. The window gives json_group_array its order.
places AS (
    SELECT
        choices.*,
        row_number() OVER most_urgent_first AS place,
        json_group_array(choices.reason) OVER (
            most_urgent_first
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS reasons
    FROM choices
    WHERE choices.choice = 1
    WINDOW most_urgent_first AS (
        PARTITION BY choices.key_master_id
        ORDER BY choices.is_passed DESC, choices.urgency DESC
    )
)
SELECT
    master.id,
    master.key_id,
    master.key_type,
    live.version_number AS live_version,
    places.reason,
    places.reasons,
    places.policy_id,
    places.policy_name,
    places.due_at,
    places.is_passed AS overdue,
    policy.rotation_window_start,
    policy.rotation_window_end,
    policy.timezone
FROM places
CROSS JOIN key_masters AS master
LEFT JOIN rotation_policies AS policy ON policy.id = places.policy_id
LEFT JOIN key_versions AS live
    ON
        master.id = live.key_id
        AND live.activated_at IS NOT NULL
        AND live.deactivated_at IS NULL
WHERE
    places.place = 1
    AND master.id = places.key_master_id;
