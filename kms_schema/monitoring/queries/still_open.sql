-- Keys whose limit was passed a day ago, with an open rotation or a pending retry. rotations_due leaves them out,
-- however long ago the limit was and whatever is planned. By the tightest limits of all policies of the type. When a
-- counter passed its limit is not recorded: then the plan decides. An expired key is not rotated, and causes that are
-- not sealed are not a day old. The keys are looked up one by one, by subqueries: planners take the rotations for many,
-- and would read all keys. A retry that is put off for more than 8 days leaves its key in rotations_due.
SELECT key_master_id AS id,
    (SELECT named.key_id FROM {schema}.key_masters AS named WHERE named.id = key_master_id) AS key_id,
    (SELECT named.key_type FROM {schema}.key_masters AS named WHERE named.id = key_master_id) AS key_type,
    'overdue ' || reason AS about, planned_at AS measure, 1 = 1 AS shown
FROM (
    WITH limits AS MATERIALIZED (
        SELECT key_type, min(max_operations) AS most_operations, min(max_data_volume_mb) * 1048576 AS most_bytes,
            max(CASE WHEN rotate_on_security_incident THEN 1 ELSE 0 END) AS on_incident,
            max(CASE WHEN rotate_on_compliance_requirement THEN 1 ELSE 0 END) AS on_requirement,
            {hours_after(%(passed)s, -24 * min(CASE WHEN rotation_interval_days < 700000 THEN
                rotation_interval_days END))} AS rotated_by,
            {hours_after(%(passed)s, -24 * min(CASE WHEN max_key_age_days < 700000 THEN max_key_age_days END))}
                AS activated_by
        FROM {schema}.rotation_policies WHERE is_active GROUP BY key_type
    )
    SELECT planned.key_id AS key_master_id, planned.planned_at, (
        SELECT CASE
            WHEN limits.on_incident = 1 AND {part(caused, incident)} THEN 'incident'
            WHEN limits.on_requirement = 1 AND {part(caused, compliance)} THEN 'compliance'
            WHEN planned.soon = 0 AND live.data_volume_bytes >= limits.most_bytes THEN 'volume'
            WHEN planned.soon = 0 AND (
                live.usage_count >= limits.most_operations
                OR live.usage_count >= master.max_usage_count
                OR master.algorithm = 'AES-256-GCM' AND live.usage_count >= 2147483648
                OR live.usage_count >= 1000000000000000
            ) THEN 'usage'
            WHEN live.activated_at <= limits.activated_by THEN 'age'
            WHEN coalesce(master.rotated_at, master.activated_at) <= limits.rotated_by THEN 'time'
        END
        FROM {schema}.key_masters AS master
        LEFT JOIN {schema}.key_versions AS live
            ON live.key_id = master.id AND live.activated_at IS NOT NULL AND live.deactivated_at IS NULL
        LEFT JOIN limits ON limits.key_type = master.key_type
        WHERE master.id = planned.key_id AND master.status || '' = 'active'
    ) AS reason
    FROM (
        SELECT key_id, min(planned_at) AS planned_at,
            max(CASE WHEN planned_at BETWEEN %(passed)s AND %(soon)s THEN 1 ELSE 0 END) AS soon
        FROM (
            SELECT key_id, scheduled_at AS planned_at FROM {schema}.key_rotations WHERE status = 'SCHEDULED'
            UNION ALL
            SELECT key_id, started_at FROM {schema}.key_rotations WHERE status = 'RUNNING'
            UNION ALL
            SELECT pending.key_id, pending.next_retry_at FROM {schema}.key_rotations AS pending
            WHERE {part(retry_in_time, pending)} AND {part(pending)}
        ) AS rotation
        GROUP BY key_id
    ) AS planned
) AS late
WHERE reason IS NOT NULL
