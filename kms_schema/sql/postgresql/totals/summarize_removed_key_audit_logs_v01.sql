-- Subtracts removed entries from the daily totals and from the causes of rotation. Only sealed entries can be removed
-- (prevent_key_audit_log_delete), so only counted entries are subtracted.
CREATE FUNCTION {schema}.summarize_removed_key_audit_logs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH gone AS MATERIALIZED (
        SELECT
            (removed."timestamp" AT TIME ZONE 'UTC')::date AS day,
            removed.event_category, removed.security_level, coalesce(removed.risk_score, -1) AS risk_score,
            count(*) AS event_count
        FROM removed
        GROUP BY 1, 2, 3, 4
    ),
    locked AS MATERIALIZED (
        SELECT total.day, total.event_category, total.security_level, total.risk_score, gone.event_count
        FROM {schema}.key_audit_daily_totals AS total
        JOIN gone USING (day, event_category, security_level, risk_score)
        ORDER BY total.day, total.event_category, total.security_level, total.risk_score
        FOR UPDATE OF total
    )
    UPDATE {schema}.key_audit_daily_totals AS total
    SET event_count = total.event_count - locked.event_count
    FROM locked
    WHERE
        total.day = locked.day
        AND total.event_category = locked.event_category
        AND total.security_level = locked.security_level
        AND total.risk_score = locked.risk_score;
    DELETE FROM {schema}.key_audit_daily_totals
    WHERE
        event_count = 0
        AND day IN (SELECT (removed."timestamp" AT TIME ZONE 'UTC')::date FROM removed);
    DELETE FROM {schema}.key_rotation_causes AS cause
    USING removed
    WHERE cause.key_id = removed.key_id AND cause.sequence = removed.sequence;
    RETURN NULL;
END
$$
