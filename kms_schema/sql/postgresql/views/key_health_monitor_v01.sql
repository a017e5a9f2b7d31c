-- The health of each key that is not archived: a score from 100 down to 0, and the warnings that lower it.
--
-- REFRESH CONCURRENTLY rewrites only the rows whose content changed. So there is no column generated_at, and values
-- that depend on the clock change in whole steps: days_until_expiration and expires_alert count UTC days (the alert
-- appears at midnight, never later than 24, 168 or 720 hours before the time); recent_security_events counts from the
-- full UTC hour 24 hours ago. KEY_EXPIRED, PENDING_TOO_LONG and ROTATION_OVERDUE appear as soon as they are true, so
-- that an expired key is never reported as healthy.
--
-- warning                    when                                                         takes off 100
-- (none of its own)          status revoked                                               all: the score is 0
-- KEY_EXPIRED                status expired, or expires_at is reached                     80
-- KEY_EXPIRING_SOON          not expired, and expires within 1 / 7 / 30 days              60 / 40 / 15
-- USAGE_EXHAUSTED            the live version has reached max_usage_count                 60
-- HIGH_USAGE_COUNT           the live version has reached 90 % of it                      25
-- PENDING_TOO_LONG           pending for more than 24 hours                               20
-- ROTATION_OVERDUE           in rotations_due with its limit passed                       30
-- REPEATED_ROTATION_FAILURE  two or more failures since the last success or new version   25
-- NON_HSM_HIGH_SECURITY      security level MAXIMUM, and no HSM holds the key             15
-- SECURITY_EVENTS            1 to 9 / 10 or more recent_security_events                   10 / 30
--
-- security_warnings lists them in this order; the score never goes below 0.
--
-- max_usage_count limits the use of the live version: compared with the lifetime total, a key would stay exhausted after
-- its rotation. usage_percentage is rounded down, so that 90 and 100 agree with the warnings; null without a maximum, 0
-- without a live version. last_rotation_date is
-- key_masters.rotated_at, as in rotations_due. Each failed attempt counts: a rotation that failed, was retried and
-- failed again counts as two failures, at its latest failed_at. A version that became live after that ends them, also
-- without a rotation of the queue. recent_security_events counts HIGH and CRITICAL entries
-- about the key, whatever their category.
CREATE MATERIALIZED VIEW {schema}.key_health_monitor AS
WITH clock AS NOT MATERIALIZED (
    SELECT now() AS at
),
moment AS NOT MATERIALIZED (
    SELECT
        clock.at,
        (clock.at AT TIME ZONE 'UTC')::date AS today,
        date_trunc('hour', clock.at, 'UTC') - interval '24 hours' AS events_since
    FROM clock
),
used AS (
    SELECT version.key_id, version.usage_count AS operations
    FROM {schema}.key_versions AS version
    WHERE version.activated_at IS NOT NULL AND version.deactivated_at IS NULL
),
failed AS (
    SELECT
        rotation.key_id,
        sum(rotation.retry_count + CASE rotation.status WHEN 'FAILED' THEN 1 ELSE 0 END) AS attempts
    FROM {schema}.key_rotations AS rotation
    WHERE
        rotation.status IN ('SCHEDULED', 'RUNNING', 'FAILED')
        AND rotation.failed_at IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM {schema}.key_rotations AS success
            WHERE
                success.key_id = rotation.key_id
                AND success.status = 'COMPLETED'
                AND success.completed_at >= rotation.failed_at
        )
        AND NOT EXISTS (
            SELECT 1
            FROM {schema}.key_versions AS newer
            WHERE newer.key_id = rotation.key_id AND newer.activated_at >= rotation.failed_at
        )
    GROUP BY rotation.key_id
),
reported AS (
    SELECT entry.key_id, count(*) AS events
    FROM moment
    INNER JOIN {schema}.key_audit_logs AS entry ON entry.timestamp >= moment.events_since
    WHERE entry.security_level IN ('HIGH', 'CRITICAL') AND entry.key_id IS NOT NULL
    GROUP BY entry.key_id
),
facts AS (
    SELECT
        master.id,
        master.key_id,
        master.key_type,
        master.algorithm,
        master.status,
        master.security_level,
        master.hsm_provider,
        master.created_at,
        master.activated_at,
        master.rotated_at,
        master.expires_at,
        master.expired_at,
        master.revoked_at,
        moment.at,
        COALESCE(master.status = 'expired' OR master.expires_at <= moment.at, FALSE) AS is_expired,
        -- A percentage beyond the range of integers is useless. LEAST would return the bound for a null.
        CASE
            WHEN master.max_usage_count IS NOT NULL
                THEN LEAST(
                    100 * COALESCE(used.operations, 0) / master.max_usage_count,
                    2147483647
                )::integer
        END AS usage_percentage,
        (master.expires_at AT TIME ZONE 'UTC')::date - moment.today AS days_until_expiration,
        COALESCE(failed.attempts, 0) AS failed_attempts,
        COALESCE(reported.events, 0)::integer AS recent_security_events,
        master.id IN (SELECT due.id FROM {schema}.rotations_due AS due WHERE due.overdue) AS is_overdue
    FROM moment
    CROSS JOIN {schema}.key_masters AS master
    LEFT JOIN used ON master.id = used.key_id
    LEFT JOIN failed ON master.id = failed.key_id
    LEFT JOIN reported ON master.id = reported.key_id
    WHERE master.status <> 'archived'
),
alerts AS (
    SELECT
        facts.*,
        CASE
            WHEN facts.is_expired THEN NULL
            WHEN facts.days_until_expiration <= 1 THEN 1
            WHEN facts.days_until_expiration <= 7 THEN 7
            WHEN facts.days_until_expiration <= 30 THEN 30
        END AS expires_alert
    FROM facts
),
-- The points that each warning deducts; nothing if the warning does not apply.
penalties AS (
    SELECT
        alerts.*,
        CASE WHEN alerts.is_expired THEN 80 ELSE 0 END AS key_expired,
        CASE alerts.expires_alert WHEN 1 THEN 60 WHEN 7 THEN 40 WHEN 30 THEN 15 ELSE 0 END AS key_expiring_soon,
        CASE WHEN alerts.usage_percentage >= 100 THEN 60 ELSE 0 END AS usage_exhausted,
        CASE WHEN alerts.usage_percentage BETWEEN 90 AND 99 THEN 25 ELSE 0 END AS high_usage_count,
        CASE
            WHEN alerts.status = 'pending' AND alerts.created_at < alerts.at - interval '24 hours' THEN 20
            ELSE 0
        END AS pending_too_long,
        CASE WHEN alerts.is_overdue THEN 30 ELSE 0 END AS rotation_overdue,
        CASE WHEN alerts.failed_attempts >= 2 THEN 25 ELSE 0 END AS repeated_rotation_failure,
        CASE
            WHEN alerts.security_level = 'MAXIMUM' AND alerts.hsm_provider IS NULL THEN 15
            ELSE 0
        END AS non_hsm_high_security,
        CASE
            WHEN alerts.recent_security_events >= 10 THEN 30
            WHEN alerts.recent_security_events >= 1 THEN 10
            ELSE 0
        END AS security_events
    FROM alerts
)
SELECT
    penalties.id,
    penalties.key_id,
    penalties.key_type,
    penalties.algorithm,
    penalties.status,
    penalties.security_level,
    penalties.hsm_provider,
    penalties.created_at,
    penalties.activated_at,
    penalties.rotated_at AS last_rotation_date,
    penalties.expires_at,
    penalties.expired_at,
    penalties.revoked_at,
    CASE
        WHEN penalties.status = 'revoked' THEN 0
        ELSE GREATEST(
            0,
            100
            - penalties.key_expired
            - penalties.key_expiring_soon
            - penalties.usage_exhausted
            - penalties.high_usage_count
            - penalties.pending_too_long
            - penalties.rotation_overdue
            - penalties.repeated_rotation_failure
            - penalties.non_hsm_high_security
            - penalties.security_events
        )
    END AS health_score,
    penalties.usage_percentage,
    penalties.days_until_expiration,
    penalties.expires_alert,
    to_jsonb(array_remove(
        ARRAY[
            CASE WHEN penalties.key_expired > 0 THEN 'KEY_EXPIRED' END,
            CASE WHEN penalties.key_expiring_soon > 0 THEN 'KEY_EXPIRING_SOON' END,
            CASE WHEN penalties.usage_exhausted > 0 THEN 'USAGE_EXHAUSTED' END,
            CASE WHEN penalties.high_usage_count > 0 THEN 'HIGH_USAGE_COUNT' END,
            CASE WHEN penalties.pending_too_long > 0 THEN 'PENDING_TOO_LONG' END,
            CASE WHEN penalties.rotation_overdue > 0 THEN 'ROTATION_OVERDUE' END,
            CASE WHEN penalties.repeated_rotation_failure > 0 THEN 'REPEATED_ROTATION_FAILURE' END,
            CASE WHEN penalties.non_hsm_high_security > 0 THEN 'NON_HSM_HIGH_SECURITY' END,
            CASE WHEN penalties.security_events > 0 THEN 'SECURITY_EVENTS' END
        ],
        NULL
    )) AS security_warnings,
    penalties.recent_security_events
FROM penalties;
