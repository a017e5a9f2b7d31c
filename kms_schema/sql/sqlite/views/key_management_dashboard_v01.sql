-- The figures of the dashboard: a few hundred rows in three sections, all of the instant `generated_at`.
--
-- The same columns and values as PostgreSQL's materialized view at the instant of a refresh; the columns are documented
-- there. In short:
--
-- section          one row for each                  filled in
-- keys             type, status and HSM provider     key_count to newest_key_at
-- rotations        UTC day of scheduled_at           rotation_count to worst_execution_ms
-- security_events  UTC day, category and level       event_count to max_risk_score
--
-- Averages and rates are rounded half up to one decimal with whole numbers, so that both engines get the same.
--
-- Cost: counting use updates no sum, so this view reads the counter of each version, in one pass over key_versions in
-- storage order, and sorts. An index on the key would look up each version separately; the plus sign before key_id
-- prevents its use. The plus sign before a timestamp prevents use of the index of times, which has the sealed entries
-- as well.
CREATE VIEW key_management_dashboard AS
WITH clock AS (
    SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' AS at
),
moment AS MATERIALIZED (
    SELECT
        at,
        substr(at, 1, 10) AS today,
        date(substr(at, 1, 10), '-29 days') AS first_day,
        date(substr(at, 1, 10), '-29 days') || 'T00:00:00.000000Z' AS first_midnight,
        date(substr(at, 1, 10), '+1 day') || 'T00:00:00.000000Z' AS next_midnight
    FROM clock
),
used AS (
    SELECT version.key_id, min(CAST(total(version.usage_count) AS INTEGER), 1000000000000000) AS operations
    FROM key_versions AS version
    GROUP BY +version.key_id
),
keys AS (
    SELECT
        master.key_type,
        master.status,
        master.hsm_provider,
        master.created_at,
        max(master.usage_count, COALESCE(used.operations, 0)) AS usage_count,
        CASE
            WHEN master.status <> 'expired' AND master.expires_at > moment.at
                THEN CAST(julianday(substr(master.expires_at, 1, 10)) - julianday(moment.today) AS INTEGER)
        END AS days_until_expiration
    FROM moment
    CROSS JOIN key_masters AS master
    LEFT JOIN used ON master.id = used.key_id
),
rotations AS (
    SELECT
        substr(rotation.scheduled_at, 1, 10) AS day,
        count(*) AS rotation_count,
        count(*) FILTER (WHERE rotation.status = 'COMPLETED') AS completed_count,
        count(*) FILTER (WHERE rotation.status = 'FAILED') AS failed_count,
        count(rotation.execution_time_ms) AS timed_count,
        sum(rotation.execution_time_ms) AS total_execution_ms,
        max(rotation.execution_time_ms) AS worst_execution_ms
    FROM moment
    CROSS JOIN key_rotations AS rotation
    WHERE
        rotation.status IN ('SCHEDULED', 'RUNNING', 'COMPLETED', 'FAILED')
        AND rotation.scheduled_at >= moment.first_midnight
        AND rotation.scheduled_at < moment.next_midnight
    GROUP BY day
),
counted AS (
    SELECT total.day, total.event_category, total.security_level, total.risk_score, total.event_count
    FROM moment
    CROSS JOIN key_audit_daily_totals AS total
    WHERE total.day BETWEEN moment.first_day AND moment.today

    UNION ALL

    SELECT
        substr(entry.timestamp, 1, 10) AS day,
        entry.event_category,
        entry.security_level,
        COALESCE(entry.risk_score, -1) AS risk_score,
        1 AS event_count
    FROM moment
    CROSS JOIN key_audit_unsealed AS entry
    WHERE +entry.timestamp >= moment.first_midnight AND +entry.timestamp < moment.next_midnight
),
events AS (
    SELECT
        counted.day,
        counted.event_category,
        counted.security_level,
        sum(counted.event_count) AS event_count,
        sum(counted.event_count) FILTER (WHERE counted.risk_score >= 0) AS scored_count,
        sum(counted.event_count * counted.risk_score) FILTER (WHERE counted.risk_score >= 0) AS total_risk_score,
        max(counted.risk_score) FILTER (WHERE counted.risk_score >= 0) AS max_risk_score
    FROM counted
    GROUP BY counted.day, counted.event_category, counted.security_level
)
SELECT
    'keys/' || keys.key_type || '/' || keys.status || '/' || COALESCE(keys.hsm_provider, '-') AS row_key,
    'keys' AS section,
    keys.key_type,
    keys.status,
    keys.hsm_provider,
    count(*) AS key_count,
    (20 * min(CAST(total(keys.usage_count) AS INTEGER), 400000000000000000) + count(*)) / (2 * count(*)) / 10.0 AS average_usage,
    count(*) FILTER (WHERE keys.days_until_expiration <= 7) AS expiring_within_7_days,
    count(*) FILTER (WHERE keys.days_until_expiration <= 30) AS expiring_within_30_days,
    min(keys.created_at) AS oldest_key_at,
    max(keys.created_at) AS newest_key_at,
    NULL AS day,
    NULL AS rotation_count,
    NULL AS completed_count,
    NULL AS failed_count,
    NULL AS success_rate,
    NULL AS average_execution_ms,
    NULL AS worst_execution_ms,
    NULL AS event_category,
    NULL AS security_level,
    NULL AS event_count,
    NULL AS average_risk_score,
    NULL AS max_risk_score,
    moment.at AS generated_at
FROM keys
CROSS JOIN moment
GROUP BY keys.key_type, keys.status, keys.hsm_provider

UNION ALL

SELECT
    'rotations/' || rotations.day,
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
            THEN
                (2000 * rotations.completed_count + (rotations.completed_count + rotations.failed_count))
                / (2 * (rotations.completed_count + rotations.failed_count))
                / 10.0
    END,
    CASE
        WHEN rotations.timed_count > 0
            THEN (20 * rotations.total_execution_ms + rotations.timed_count) / (2 * rotations.timed_count) / 10.0
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
    'security_events/' || events.day || '/' || events.event_category || '/' || events.security_level,
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
            THEN (20 * events.total_risk_score + events.scored_count) / (2 * events.scored_count) / 10.0
    END,
    events.max_risk_score,
    moment.at
FROM events
CROSS JOIN moment;
