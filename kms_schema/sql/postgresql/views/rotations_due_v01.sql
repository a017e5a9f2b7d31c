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
-- sealing maintains, and from unsealed entries, so the audit log is not scanned. OFFSET 0 prevents the planner from
-- turning this into a join over all keys or all rotations. A range with two ends makes it estimate few rows, since it
-- cannot know the policy's limit. Counters have no index, because updates of counters must stay HOT; their index bounds
-- have one, and versions found by an index bound are compared with the counter. Versions written before revision 005, whose
-- triggers set index bounds and key type, have neither; they are read one by one until they do. A branch passes on the
-- columns that it read of a key and its live version, so that neither is looked up again. Open rotations are looked up
-- once for each key, at the end: planners overestimate the rows of the branches. With two such lookups in each branch
-- the estimate would, with a million keys, start a compilation (jit_above_cost) that takes longer than the query. Every
-- branch names its columns: otherwise a restored database would have other names in the later branches. A day is 24
-- hours, because a day in the session's time zone may have 23 or 25.
CREATE VIEW {schema}.rotations_due AS
WITH clock AS NOT MATERIALIZED (
    SELECT now() AS at
),
-- The limits of each active policy, as intervals and bytes, and as the times up to which they have been reached or will
-- be within the notice. A limit of 700 000 days or more (1 900 years) is never reached. A notice of over 1 000 years
-- counts as 1 000. So times stay in range.
limits AS (
    SELECT
        span.*,
        clock.at - span.rotation_interval + span.notice AS rotated_by,
        clock.at - span.maximum_age + span.notice AS activated_by,
        clock.at + span.notice AS expires_by
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
            CASE
                WHEN rotation_interval_days < 700000 THEN make_interval(hours => 24 * rotation_interval_days)
            END AS rotation_interval,
            CASE WHEN max_key_age_days < 700000 THEN make_interval(hours => 24 * max_key_age_days) END AS maximum_age,
            make_interval(hours => LEAST(notify_before_rotation_hours, 8766000)) AS notice
        FROM {schema}.rotation_policies
        WHERE is_active
    ) AS span
),
-- Limits that live versions have reached; their keys are looked up below.
of_live_version AS (
    SELECT
        version.key_id AS key_master_id,
        version.version_number,
        limits.key_type,
        limits.id AS policy_id,
        limits.policy_name,
        'age' AS reason,
        2 AS urgency,
        version.activated_at + limits.maximum_age AS due_at
    FROM limits
    CROSS JOIN LATERAL (
        SELECT live.key_id, live.version_number, live.activated_at
        FROM {schema}.key_versions AS live
        WHERE
            live.key_type = limits.key_type
            AND live.activated_at BETWEEN '-infinity' AND limits.activated_by
            AND live.deactivated_at IS NULL
        OFFSET 0
    ) AS version

    UNION ALL

    SELECT version.key_id, version.version_number, limits.key_type, limits.id, limits.policy_name,
        'usage'::text AS reason, 3 AS urgency, NULL::timestamptz AS due_at
    FROM limits
    CROSS JOIN LATERAL (
        SELECT live.key_id, live.version_number
        FROM {schema}.key_versions AS live
        WHERE
            live.key_type = limits.key_type
            AND live.usage_index_bound BETWEEN limits.max_operations AND 9223372036854775807
            AND live.usage_count >= limits.max_operations
            AND live.activated_at IS NOT NULL
            AND live.deactivated_at IS NULL
        OFFSET 0
    ) AS version
    WHERE limits.max_operations IS NOT NULL

    UNION ALL

    SELECT version.key_id, version.version_number, limits.key_type, limits.id, limits.policy_name,
        'volume'::text AS reason, 4 AS urgency, NULL::timestamptz AS due_at
    FROM limits
    CROSS JOIN LATERAL (
        SELECT live.key_id, live.version_number
        FROM {schema}.key_versions AS live
        WHERE
            live.key_type = limits.key_type
            AND live.volume_index_bound BETWEEN limits.max_bytes AND 9223372036854775807
            AND live.data_volume_bytes >= limits.max_bytes
            AND live.activated_at IS NOT NULL
            AND live.deactivated_at IS NULL
        OFFSET 0
    ) AS version
    WHERE limits.max_bytes IS NOT NULL
),
-- Live versions of keys that may be near their own limit: see record_key_version_index_bounds. The types are all there are
-- (kms_schema.vocabulary.KeyType), so that the index applies.
near_limit AS (
    SELECT version.key_id, version.version_number, version.usage_count
    FROM (
        SELECT live.key_id, live.version_number, live.usage_count
        FROM {schema}.key_versions AS live
        WHERE
            live.key_type IN ('kek', 'dek', 'tls', 'hsm', 'backup')
            AND live.usage_index_bound = 9223372036854775807
            AND live.activated_at IS NOT NULL
            AND live.deactivated_at IS NULL
        OFFSET 0
    ) AS version

    UNION ALL

    SELECT version.key_id, version.version_number, version.usage_count
    FROM (SELECT 'infinity'::timestamptz AS latest OFFSET 0) AS ever
    CROSS JOIN LATERAL (
        SELECT live.key_id, live.version_number, live.usage_count
        FROM {schema}.key_versions AS live
        WHERE
            live.key_type IS NULL
            AND live.activated_at BETWEEN '-infinity' AND ever.latest
            AND live.deactivated_at IS NULL
        OFFSET 0
    ) AS version
),
-- Entries of the audit log that make a key due, sealed and unsealed.
causes AS (
    SELECT key_id, reason, occurred_at
    FROM {schema}.key_rotation_causes

    UNION ALL

    SELECT
        key_id,
        CASE event_category WHEN 'SECURITY' THEN 'incident' ELSE 'compliance' END AS reason,
        "timestamp" AS occurred_at
    FROM {schema}.key_audit_unsealed
    WHERE
        key_id IS NOT NULL
        AND (
            (event_category = 'SECURITY' AND security_level = 'CRITICAL')
            OR (event_category = 'COMPLIANCE' AND event_type = 'ROTATION_REQUIRED')
        )
),
due AS (
    SELECT
        master.id AS key_master_id,
        master.key_id,
        limits.key_type,
        NULL::integer AS live_version,
        limits.id AS policy_id,
        limits.policy_name,
        'time' AS reason,
        1 AS urgency,
        master.since + limits.rotation_interval AS due_at,
        false AS is_near
    FROM limits
    CROSS JOIN LATERAL (
        SELECT candidate.id, candidate.key_id, coalesce(candidate.rotated_at, candidate.activated_at) AS since
        FROM {schema}.key_masters AS candidate
        WHERE
            candidate.status = 'active'
            AND candidate.key_type = limits.key_type
            AND coalesce(candidate.rotated_at, candidate.activated_at) BETWEEN '-infinity' AND limits.rotated_by
        OFFSET 0
    ) AS master

    UNION ALL

    SELECT master.id, master.key_id, version.key_type, version.version_number, version.policy_id, version.policy_name,
        version.reason, version.urgency, version.due_at, false AS is_near
    FROM of_live_version AS version
    CROSS JOIN LATERAL (
        SELECT candidate.id, candidate.key_id
        FROM {schema}.key_masters AS candidate
        WHERE
            candidate.id = version.key_master_id
            AND candidate.status = 'active'
            AND candidate.key_type = version.key_type
        OFFSET 0
    ) AS master

    UNION ALL

    SELECT master.id, master.key_id, limits.key_type, NULL::integer AS live_version, limits.id, limits.policy_name,
        'expiry'::text AS reason, 6 AS urgency, master.expires_at AS due_at, false AS is_near
    FROM limits
    CROSS JOIN LATERAL (
        SELECT candidate.id, candidate.key_id, candidate.expires_at
        FROM {schema}.key_masters AS candidate
        WHERE
            candidate.status = 'active'
            AND candidate.key_type = limits.key_type
            AND candidate.expires_at BETWEEN '-infinity' AND limits.expires_by
        OFFSET 0
    ) AS master

    UNION ALL

    SELECT master.id, master.key_id, master.key_type, version.version_number, NULL::uuid, NULL::character varying(100),
        'usage'::text AS reason, 3 AS urgency, NULL::timestamptz AS due_at,
        version.usage_count < master.most_uses AS is_near
    FROM near_limit AS version
    CROSS JOIN LATERAL (
        SELECT
            candidate.id,
            candidate.key_id,
            candidate.key_type,
            least(
                candidate.max_usage_count,
                CASE candidate.algorithm WHEN 'AES-256-GCM' THEN 2147483648 ELSE 1000000000000000 END
            ) AS most_uses
        FROM {schema}.key_masters AS candidate
        WHERE candidate.id = version.key_id AND candidate.status = 'active'
        OFFSET 0
    ) AS master
    WHERE version.usage_count * 10 >= master.most_uses * 9

    UNION ALL

    -- Planners estimate the live versions without index bounds by the number of deactivated versions, and would scan the
    -- table. An upper bound of unknown value lowers the estimate.
    SELECT master.id, master.key_id, limits.key_type, live.version_number, limits.id, limits.policy_name,
        verdict.reason, verdict.urgency, verdict.due_at, false AS is_near
    FROM (SELECT 'infinity'::timestamptz AS latest OFFSET 0) AS ever
    CROSS JOIN LATERAL (
        SELECT
            version.key_id,
            version.version_number,
            version.activated_at,
            version.usage_count,
            version.data_volume_bytes
        FROM {schema}.key_versions AS version
        WHERE
            version.key_type IS NULL
            AND version.activated_at BETWEEN '-infinity' AND ever.latest
            AND version.deactivated_at IS NULL
        OFFSET 0
    ) AS live
    INNER JOIN {schema}.key_masters AS master ON live.key_id = master.id
    INNER JOIN limits ON master.key_type = limits.key_type
    CROSS JOIN LATERAL (
        VALUES
            ('age'::text, 2, live.activated_at + limits.maximum_age, live.activated_at <= limits.activated_by),
            ('usage'::text, 3, NULL::timestamptz, live.usage_count >= limits.max_operations),
            ('volume'::text, 4, NULL::timestamptz, live.data_volume_bytes >= limits.max_bytes)
    ) AS verdict (reason, urgency, due_at, is_reached)
    WHERE master.status = 'active' AND verdict.is_reached

    UNION ALL

    SELECT
        master.id,
        master.key_id,
        limits.key_type,
        NULL::integer AS live_version,
        limits.id,
        limits.policy_name,
        causes.reason,
        CASE causes.reason WHEN 'incident' THEN 7 ELSE 5 END AS urgency,
        min(causes.occurred_at) AS due_at,
        false AS is_near
    FROM causes
    CROSS JOIN LATERAL (
        SELECT candidate.id, candidate.key_id, candidate.key_type, candidate.rotated_at
        FROM {schema}.key_masters AS candidate
        WHERE candidate.id = causes.key_id AND candidate.status = 'active'
        OFFSET 0
    ) AS master
    INNER JOIN limits ON master.key_type = limits.key_type
    WHERE
        (master.rotated_at IS NULL OR causes.occurred_at > master.rotated_at)
        AND CASE causes.reason
            WHEN 'incident' THEN limits.rotate_on_security_incident
            WHEN 'compliance' THEN limits.rotate_on_compliance_requirement
        END
    GROUP BY master.id, master.key_id, limits.key_type, limits.id, limits.policy_name, causes.reason
),
-- The most urgent policy of each key and reason. Counters and log entries are in the past; a date may be in the future.
choices AS (
    SELECT DISTINCT ON (due.key_master_id, due.urgency)
        due.*,
        NOT due.is_near AND (due.reason NOT IN ('time', 'age', 'expiry') OR due.due_at <= clock.at) AS is_passed
    FROM due
    CROSS JOIN clock
    ORDER BY due.key_master_id, due.urgency, is_passed DESC, due.due_at, due.policy_name COLLATE "C" NULLS FIRST
),
-- The most urgent reason of each key, with the names of all its reasons.
foremost AS (
    SELECT DISTINCT ON (choices.key_master_id)
        choices.*,
        jsonb_agg(choices.reason) OVER (
            PARTITION BY choices.key_master_id
            ORDER BY choices.is_passed DESC, choices.urgency DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS reasons
    FROM choices
    ORDER BY choices.key_master_id, choices.is_passed DESC, choices.urgency DESC
)
SELECT
    foremost.key_master_id AS id,
    foremost.key_id,
    foremost.key_type,
    coalesce(foremost.live_version, (
        SELECT version.version_number
        FROM {schema}.key_versions AS version
        WHERE
            version.key_id = foremost.key_master_id
            AND version.activated_at IS NOT NULL
            AND version.deactivated_at IS NULL
    )) AS live_version,
    foremost.reason,
    foremost.reasons,
    foremost.policy_id,
    foremost.policy_name,
    foremost.due_at,
    foremost.is_passed AS overdue,
    policy.rotation_window_start,
    policy.rotation_window_end,
    policy.timezone
FROM foremost
LEFT JOIN {schema}.rotation_policies AS policy ON foremost.policy_id = policy.id
WHERE
    NOT EXISTS (
        SELECT 1
        FROM {schema}.key_rotations AS rotation
        WHERE rotation.key_id = foremost.key_master_id AND rotation.status IN ('SCHEDULED', 'RUNNING')
        OFFSET 0
    )
    AND NOT EXISTS (
        SELECT 1
        FROM {schema}.key_rotations AS rotation
        WHERE
            rotation.key_id = foremost.key_master_id
            AND rotation.status = 'FAILED'
            AND rotation.retry_count < rotation.max_retries
            AND rotation.next_retry_at <= rotation.failed_at + make_interval(hours => 192)
            AND NOT EXISTS (
                SELECT 1
                FROM {schema}.key_rotations AS success
                WHERE
                    success.key_id = rotation.key_id
                    AND success.status = 'COMPLETED'
                    AND success.completed_at >= rotation.failed_at
                OFFSET 0
            )
        OFFSET 0
    )
