-- The first key that is due by a date beyond the notice of its policy: the view rotations_due lacks it. Limits and dates
-- are those of the view. Keys whose date is reached, or within the notice, are passed. Each branch reads keys in the
-- order of an index of the view, and stops at the first: time and age for each policy, expiry for all at once. A date
-- after the year 9999, which no program could read, is the end of that year.
WITH limits AS MATERIALIZED (
    SELECT
        policy_name, key_type, rotation_interval, maximum_age, {hours_after({now()}, notice)} AS noticed,
        {hours_after({now()}, notice - rotation_interval)} AS rotated_by,
        {hours_after({now()}, notice - maximum_age)} AS activated_by
    FROM (
        SELECT
            policy_name, key_type, {least(notify_before_rotation_hours, 8766000)} AS notice,
            CASE WHEN rotation_interval_days < 700000 THEN 24 * rotation_interval_days END AS rotation_interval,
            CASE WHEN max_key_age_days < 700000 THEN 24 * max_key_age_days END AS maximum_age
        FROM {schema}.rotation_policies
        WHERE is_active
    ) AS span
),
firsts AS MATERIALIZED (
    SELECT
        limits.*,
        (
            SELECT found.id FROM {schema}.key_masters AS found
            WHERE
                found.status = 'active' AND found.key_type = limits.key_type
                AND coalesce(found.rotated_at, found.activated_at) > limits.rotated_by
                AND {part(not_due)}
            ORDER BY coalesce(found.rotated_at, found.activated_at) LIMIT 1
        ) AS by_time,
        (
            SELECT live.id FROM {schema}.key_versions AS live
            WHERE
                live.key_type = limits.key_type AND live.activated_at > limits.activated_by AND {part(live)}
                AND EXISTS (
                    SELECT 1 FROM {schema}.key_masters AS found
                    WHERE found.id = live.key_id AND {unindexed(found.status)} = 'active' AND {part(not_due)}
                )
            ORDER BY live.activated_at LIMIT 1
        ) AS by_age
    FROM limits
),
expiring AS MATERIALIZED (
    SELECT found.id FROM {schema}.key_masters AS found
    WHERE
        found.status = 'active' AND found.expires_at > (SELECT min(noticed) FROM limits)
        AND EXISTS (SELECT 1 FROM limits AS own WHERE own.key_type = found.key_type) AND {part(not_due)}
    ORDER BY found.expires_at LIMIT 1
)
SELECT
    found.key_id, 'time' AS reason,
    {in_range({hours_after(coalesce(found.rotated_at, found.activated_at), firsts.rotation_interval)})} AS due_at,
    firsts.policy_name
FROM firsts CROSS JOIN {schema}.key_masters AS found WHERE found.id = firsts.by_time
UNION ALL
SELECT
    found.key_id, 'age', {in_range({hours_after(version.activated_at, firsts.maximum_age)})}, firsts.policy_name
FROM firsts CROSS JOIN {schema}.key_versions AS version CROSS JOIN {schema}.key_masters AS found
WHERE version.id = firsts.by_age AND found.id = version.key_id
UNION ALL
SELECT found.key_id, 'expiry', found.expires_at, limits.policy_name
FROM expiring CROSS JOIN {schema}.key_masters AS found CROSS JOIN limits
WHERE found.id = expiring.id AND limits.key_type = found.key_type
ORDER BY due_at, key_id, policy_name LIMIT 1
