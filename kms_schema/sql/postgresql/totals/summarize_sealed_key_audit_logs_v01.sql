-- Adds newly sealed entries to the daily totals and to the causes of rotation, in one pass. Each entry has one leaf,
-- and leaves are written once (guard_key_audit_leaf_insert, prevent_key_audit_leaf_*), so each is counted once, in the
-- transaction that seals it. A restore restores the totals with the other tables. Rows are locked in the order of
-- summarize_removed_key_audit_logs, so that the two cannot deadlock.
CREATE FUNCTION {schema}.summarize_sealed_key_audit_logs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH sealed AS MATERIALIZED (
        SELECT entry.*
        FROM pages
        CROSS JOIN LATERAL (
            SELECT
                (log."timestamp" AT TIME ZONE 'UTC')::date AS day,
                log.event_category, log.security_level, coalesce(log.risk_score, -1) AS risk_score,
                log.key_id, log.sequence, log.event_type, log."timestamp"
            FROM ONLY {schema}.key_audit_logs AS log
            WHERE log.sequence BETWEEN pages.first_sequence
                AND pages.first_sequence + length(pages.hashes) / 32 - 1
            OFFSET 0
        ) AS entry
    ),
    caused AS (
        INSERT INTO {schema}.key_rotation_causes (key_id, sequence, reason, occurred_at)
        SELECT
            sealed.key_id, sealed.sequence,
            CASE sealed.event_category WHEN 'SECURITY' THEN 'incident' ELSE 'compliance' END,
            sealed."timestamp"
        FROM sealed
        WHERE sealed.key_id IS NOT NULL AND (
            (sealed.event_category = 'SECURITY' AND sealed.security_level = 'CRITICAL')
            OR (sealed.event_category = 'COMPLIANCE' AND sealed.event_type = 'ROTATION_REQUIRED')
        )
    )
    INSERT INTO {schema}.key_audit_daily_totals AS known
        (day, event_category, security_level, risk_score, event_count)
    SELECT sealed.day, sealed.event_category, sealed.security_level, sealed.risk_score, count(*)
    FROM sealed
    GROUP BY sealed.day, sealed.event_category, sealed.security_level, sealed.risk_score
    ORDER BY sealed.day, sealed.event_category, sealed.security_level, sealed.risk_score
    ON CONFLICT (day, event_category, security_level, risk_score)
    DO UPDATE SET event_count = known.event_count + excluded.event_count;
    RETURN NULL;
END
$$
