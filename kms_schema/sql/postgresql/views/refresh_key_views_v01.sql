-- Refreshes both materialized views without blocking their readers, brings the lifetime totals of use up to date, and
-- says what it did: a row for each view, none where another session is at it already. Views stay owned by the schema's
-- owner; who may call this needs no rights on them. The rows are all of the instant at which the transaction began.
--
-- Just-in-time compilation takes longer than all of it.
--
-- The totals come last, so that nobody who changes a key waits for the views; the views count by themselves, and do
-- not need them. A key that somebody is changing is left for the next time.
CREATE FUNCTION {schema}.refresh_key_views() RETURNS TABLE (view_name text, refreshed_at timestamptz, duration_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    view regclass;
    begun timestamptz;
BEGIN
    IF NOT pg_try_advisory_xact_lock(
        1802335062, -- "kmsV": names this lock among others, beside the table that is written below
        '{schema}.key_view_refreshes'::regclass::oid::bigint::bit(32)::integer
    ) THEN
        RETURN;
    END IF;
    refreshed_at := now();
    FOREACH view IN ARRAY ARRAY[
        '{schema}.key_management_dashboard'::regclass, '{schema}.key_health_monitor'::regclass
    ] LOOP
        begun := clock_timestamp();
        -- One that a restore left empty cannot be refreshed CONCURRENTLY, and has no readers to be blocked.
        EXECUTE format(
            'REFRESH MATERIALIZED VIEW %s %s',
            (SELECT CASE WHEN relispopulated THEN 'CONCURRENTLY' ELSE '' END FROM pg_class WHERE oid = view),
            view
        );
        view_name := (SELECT relname::text FROM pg_class WHERE oid = view);
        duration_ms := round(date_part('epoch', clock_timestamp() - begun) * 1000)::bigint;
        RETURN NEXT;
    END LOOP;
    WITH behind AS (
        SELECT master.id, total.usage_count
        FROM {schema}.key_masters AS master
        JOIN (
            SELECT version.key_id, sum(version.usage_count)::bigint AS usage_count
            FROM {schema}.key_versions AS version
            GROUP BY version.key_id
        ) AS total ON master.id = total.key_id
        WHERE master.usage_count < total.usage_count
        ORDER BY master.id
        FOR NO KEY UPDATE OF master SKIP LOCKED
    )
    UPDATE {schema}.key_masters AS master
    SET usage_count = behind.usage_count
    FROM behind
    WHERE master.id = behind.id;
    UPDATE {schema}.key_view_refreshes SET refreshed_at = now();
END
$$
