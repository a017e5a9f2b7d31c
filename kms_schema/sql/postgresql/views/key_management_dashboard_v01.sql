-- The figures of the dashboard: a few hundred rows in three sections, all of the instant `generated_at`.
--
-- section          one row for each                  filled in
-- keys             type, status and HSM provider     key_count to newest_key_at
-- rotations        UTC day of scheduled_at           rotation_count to worst_execution_ms
-- security_events  UTC day, category and level       event_count to max_risk_score
--
-- The columns of the other sections are null; `row_key` identifies a row and is never null, since REFRESH CONCURRENTLY
-- would rewrite rows with a null in the unique index each time. A key outside HSMs has no provider. The use of a key in
-- `average_usage` and the expiring keys are defined as in key_health_monitor: not expired yet, and within so many UTC
-- days. The days are today and the 29 before it; days without an event have no row. A rotation belongs to the day of
-- scheduled_at, which every rotation has. It counts as failed while its status is FAILED. `success_rate` is the
-- percentage of COMPLETED among COMPLETED and FAILED, null while none has ended. Sealed events come from daily totals;
-- only unsealed entries are counted one by one. So the cost of a refresh is proportional to the new entries, not to all
-- entries. Rotations are read status by status, in the order of their index. Averages and rates are rounded half up to
-- one decimal with whole numbers, so that both engines get the same.
CREATE MATERIALIZED VIEW {schema}.key_management_dashboard AS
WITH clock AS NOT MATERIALIZED (
    SELECT now() AS at
),
moment AS NOT MATERIALIZED (
    SELECT
        clock.at,
        (clock.at AT TIME ZONE 'UTC')::date AS today,
        (clock.at AT TIME ZONE 'UTC')::date - 29 AS first_day,
        (date_trunc('day', clock.at, 'UTC') - interval '696 hours') AS first_midnight,
        (date_trunc('day', clock.at, 'UTC') + interval '24 hours') AS next_midnight
    FROM clock
),
used AS (
    SELECT version.key_id, LEAST(sum(version.usage_count), 1000000000000000) AS operations
    FROM {schema}.key_versions AS version
    GROUP BY version.key_id
),
keys AS (
    SELECT
        master.key_type,
        master.status,
        master.hsm_provider,
        master.created_at,
        GREATEST(master.usage_count, used.operations) AS usage_count,
        CASE
            WHEN master.status <> 'expired' AND master.expires_at > moment.at
                THEN (master.expires_at AT TIME ZONE 'UTC')::date - moment.today
        END AS days_until_expiration
    FROM moment
    CROSS JOIN {schema}.key_masters AS master
    LEFT JOIN used ON master.id = used.key_id
),
rotations AS (
    SELECT
        (rotation.scheduled_at AT TIME ZONE 'UTC')::date AS day,
        count(*) AS rotation_count,
        count(*) FILTER (WHERE rotation.status = 'COMPLETED') AS completed_count,
        count(*) FILTER (WHERE rotation.status = 'FAILED') AS failed_count,
        count(rotation.execution_time_ms) AS timed_count,
        sum(rotation.execution_time_ms) AS total_execution_ms,
        max(rotation.execution_time_ms) AS worst_execution_ms
    FROM moment
    INNER JOIN {schema}.key_rotations AS rotation
        ON
            rotation.status IN ('SCHEDULED', 'RUNNING', 'COMPLETED', 'FAILED')
            AND rotation.scheduled_at >= moment.first_midnight
            AND rotation.scheduled_at < moment.next_midnight
    GROUP BY day
),
counted AS (
    SELECT total.day, total.event_category, total.security_level, total.risk_score, total.event_count
    FROM moment
    INNER JOIN {schema}.key_audit_daily_totals AS total ON total.day BETWEEN moment.first_day AND moment.today

    UNION ALL

    SELECT
        (entry.timestamp AT TIME ZONE 'UTC')::date AS day,
        entry.event_category,
        entry.security_level,
        COALESCE(entry.risk_score, -1) AS risk_score,
        1 AS event_count
    FROM moment
    INNER JOIN {schema}.key_audit_unsealed AS entry
        ON entry.timestamp >= moment.first_midnight AND entry.timestamp < moment.next_midnight
),
events AS (
    SELECT
        counted.day,
        counted.event_category,
        counted.security_level,
        sum(counted.event_count)::bigint AS event_count,
        sum(counted.event_count) FILTER (WHERE counted.risk_score >= 0) AS scored_count,
        sum(counted.event_count * counted.risk_score) FILTER (WHERE counted.risk_score >= 0) AS total_risk_score,
        max(counted.risk_score) FILTER (WHERE counted.risk_score >= 0) AS max_risk_score
    FROM counted
    GROUP BY counted.day, counted.event_category, counted.security_level
)
SELECT
    concat_ws('/', 'keys', keys.key_type, keys.status, COALESCE(keys.hsm_provider, '-')) AS row_key,
    'keys' AS section,
    keys.key_type,
    keys.status,
    keys.hsm_provider,
    count(*) AS key_count,
    (div(20 * sum(keys.usage_count) + count(*), 2 * count(*)) / 10)::double precision AS average_usage,
    count(*) FILTER (WHERE keys.days_until_expiration <= 7) AS expiring_within_7_days,
    count(*) FILTER (WHERE keys.days_until_expiration <= 30) AS expiring_within_30_days,
    min(keys.created_at) AS oldest_key_at,
    max(keys.created_at) AS newest_key_at,
    NULL::date AS day,
    NULL::bigint AS rotation_count,
    NULL::bigint AS completed_count,
    NULL::bigint AS failed_count,
    NULL::double precision AS success_rate,
    NULL::double precision AS average_execution_ms,
    NULL::bigint AS worst_execution_ms,
    NULL::text AS event_category,
    NULL::text AS security_level,
    NULL::bigint AS event_count,
    NULL::double precision AS average_risk_score,
    NULL::integer AS max_risk_score,
    moment.at AS generated_at
FROM keys
CROSS JOIN moment
GROUP BY keys.key_type, keys.status, keys.hsm_provider, moment.at

UNION ALL

SELECT
    'rotations/' || to_char(rotations.day, 'YYYY-MM-DD'),
    'rotations',
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    rotations.day,
    rotations.rotation_count,
    rotations.completed_count,
    rotations.failed_count,
    CASE
        WHEN rotations.completed_count + rotations.failed_count > 0
            THEN div(
                2000 * rotations.completed_count + (rotations.completed_count + rotations.failed_count),
                2 * (rotations.completed_count + rotations.failed_count)
            ) / 10
    END,
    CASE
        WHEN rotations.timed_count > 0
            THEN div(20 * rotations.total_execution_ms + rotations.timed_count, 2 * rotations.timed_count) / 10
    END,
    rotations.worst_execution_ms,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    moment.at
FROM rotations
CROSS JOIN moment

UNION ALL

SELECT
    concat_ws(
        '/', 'security_events', to_char(events.day, 'YYYY-MM-DD'), events.event_category, events.security_level
    ),
    'security_events',
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    events.day,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    events.event_category,
    events.security_level,
    events.event_count,
    CASE
        WHEN events.scored_count > 0
            THEN div(20 * events.total_risk_score + events.scored_count, 2 * events.scored_count) / 10
    END,
    events.max_risk_score,
    moment.at
FROM events
CROSS JOIN moment;
