-- The health of each key that is not archived: a score from 100 down to 0, and the warnings that lower it.
--
-- The same columns and values as PostgreSQL's materialized view at the instant of a refresh; the rules and their
-- reasons are documented there. In short:
--
-- warning                    when                                                         takes off 100
-- (none of its own)          status revoked                                               all: the score is 0
-- KEY_EXPIRED                status expired, or expires_at is reached                     80
-- KEY_EXPIRING_SOON          not expired, and expires within 1 / 7 / 30 UTC days          60 / 40 / 15
-- USAGE_EXHAUSTED            the live version has reached max_usage_count                 60
-- HIGH_USAGE_COUNT           the live version has reached 90 % of it                      25
-- PENDING_TOO_LONG           pending for more than 24 hours                               20
-- ROTATION_OVERDUE           in rotations_due with its limit passed                       30
-- REPEATED_ROTATION_FAILURE  two or more failures since the last success or new version   25
-- NON_HSM_HIGH_SECURITY      security level MAXIMUM, and no HSM holds the key             15
-- SECURITY_EVENTS            1 to 9 / 10 or more recent_security_events                   10 / 30
--
-- Times are text of one format and compare as text, to the microsecond. Date functions have a precision of
-- milliseconds: they get whole seconds, and the fraction is appended afterwards. `julianday` of two midnights differs
-- by a whole number.
--
-- Query cost is proportional to the keys that are read, the keys that are due, and the recent events; everything else
-- is computed key by key. CROSS JOIN makes SQLite begin with the keys, in the requested order. Only a list of the worst
-- keys needs the score of every key. SQLite inlines an expression and evaluates it at each place that uses it. So use
-- is read only for keys that have a maximum, and compared with both of its limits at once.
CREATE VIEW key_health_monitor AS
WITH clock AS (
    SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' AS at
),
moment AS MATERIALIZED (
    SELECT
        at,
        substr(at, 1, 10) AS today,
        strftime('%Y-%m-%dT%H:%M:%S', substr(at, 1, 19), '-24 hours') || substr(at, 20) AS a_day_ago,
        strftime('%Y-%m-%dT%H:00:00.000000Z', substr(at, 1, 19), '-24 hours') AS events_since
    FROM clock
),
overdue AS MATERIALIZED (
    SELECT due.id
    FROM rotations_due AS due
    WHERE due.overdue
),
reported AS MATERIALIZED (
    SELECT entry.key_id, count(*) AS events
    FROM moment
    CROSS JOIN key_audit_logs AS entry
    WHERE
        entry.timestamp >= moment.events_since
        AND entry.security_level IN ('HIGH', 'CRITICAL')
        AND entry.key_id IS NOT NULL
    GROUP BY entry.key_id
),
facts AS (
    SELECT
        master.*,
        moment.at,
        moment.a_day_ago,
        COALESCE(master.status = 'expired' OR master.expires_at <= moment.at, 0) AS is_expired,
        CASE
            WHEN master.max_usage_count IS NOT NULL
                -- A percentage beyond the range of integers is useless.
                THEN
                    min(
                        CAST(
                            100 * COALESCE(
                                (
                                    SELECT version.usage_count
                                    FROM key_versions AS version
                                    WHERE
                                        version.key_id = master.id
                                        AND version.activated_at IS NOT NULL
                                        AND version.deactivated_at IS NULL
                                ),
                                0
                            ) / master.max_usage_count
                            AS INTEGER
                        ),
                        2147483647
                    )
        END AS usage_percentage,
        CAST(
            julianday(substr(master.expires_at, 1, 10)) - julianday(moment.today) AS INTEGER
        ) AS days_until_expiration,
        -- Most rotations have succeeded. The others are found in an index alone, by the times of the key's rotations,
        -- without reading each row. A success follows a failure, so the latest are read first.
        (
            SELECT COALESCE(sum(rotation.retry_count + 1), 0)
            FROM key_rotations AS planned
            CROSS JOIN key_rotations AS rotation
            WHERE
                planned.key_id = master.id
                AND rotation.status = 'FAILED'
                AND rotation.scheduled_at = planned.scheduled_at
                AND rotation.key_id = planned.key_id
                AND +rotation.id = planned.id
                AND rotation.failed_at IS NOT NULL
                AND (
                    SELECT 1
                    FROM key_rotations AS success
                    WHERE
                        success.key_id = rotation.key_id
                        AND +success.status = 'COMPLETED'
                        AND success.completed_at >= rotation.failed_at
                    ORDER BY success.scheduled_at DESC
                    LIMIT 1
                ) IS NULL
                AND NOT EXISTS (
                    SELECT 1
                    FROM key_versions AS newer
                    WHERE newer.key_id = rotation.key_id AND newer.activated_at >= rotation.failed_at
                )
        ) + (
            SELECT COALESCE(sum(rotation.retry_count), 0)
            FROM key_rotations AS rotation
            WHERE
                rotation.key_id = master.id
                AND rotation.status IN ('SCHEDULED', 'RUNNING')
                AND rotation.failed_at IS NOT NULL
                AND (
                    SELECT 1
                    FROM key_rotations AS success
                    WHERE
                        success.key_id = rotation.key_id
                        AND +success.status = 'COMPLETED'
                        AND success.completed_at >= rotation.failed_at
                    ORDER BY success.scheduled_at DESC
                    LIMIT 1
                ) IS NULL
                AND NOT EXISTS (
                    SELECT 1
                    FROM key_versions AS newer
                    WHERE newer.key_id = rotation.key_id AND newer.activated_at >= rotation.failed_at
                )
        ) AS failed_attempts,
        COALESCE(reported.events, 0) AS recent_security_events,
        overdue.id IS NOT NULL AS is_overdue
    FROM key_masters AS master
    CROSS JOIN moment
    LEFT JOIN overdue ON master.id = overdue.id
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
        CASE min(alerts.usage_percentage / 10, 10) WHEN 10 THEN 60 WHEN 9 THEN 25 ELSE 0 END AS high_usage,
        CASE
            WHEN alerts.status = 'pending' AND alerts.created_at < alerts.a_day_ago THEN 20
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
        ELSE max(
            0,
            100
            - penalties.key_expired
            - penalties.key_expiring_soon
            - penalties.high_usage
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
    -- json_group_array has no ORDER BY before SQLite 3.44; a concatenated list has the order in which it is written.
    '[' || substr(
        CASE WHEN penalties.key_expired > 0 THEN ',"KEY_EXPIRED"' ELSE '' END
        || CASE WHEN penalties.key_expiring_soon > 0 THEN ',"KEY_EXPIRING_SOON"' ELSE '' END
        || CASE penalties.high_usage WHEN 60 THEN ',"USAGE_EXHAUSTED"' WHEN 25 THEN ',"HIGH_USAGE_COUNT"' ELSE '' END
        || CASE WHEN penalties.pending_too_long > 0 THEN ',"PENDING_TOO_LONG"' ELSE '' END
        || CASE WHEN penalties.rotation_overdue > 0 THEN ',"ROTATION_OVERDUE"' ELSE '' END
        || CASE WHEN penalties.repeated_rotation_failure > 0 THEN ',"REPEATED_ROTATION_FAILURE"' ELSE '' END
        || CASE WHEN penalties.non_hsm_high_security > 0 THEN ',"NON_HSM_HIGH_SECURITY"' ELSE '' END
        || CASE WHEN penalties.security_events > 0 THEN ',"SECURITY_EVENTS"' ELSE '' END,
        2
    ) || ']' AS security_warnings,
    penalties.recent_security_events
FROM penalties;
