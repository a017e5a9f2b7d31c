-- Refreshes both materialized views without blocking their readers, and updates the lifetime totals of use. Returns one
-- row for each view; no rows if another session is refreshing them. The views stay owned by the owner of the schema,
-- and callers need no privileges on them. All rows show the instant at which the transaction began.
--
-- A locked row lets one session refresh at a time: below the owner only this function can lock it, while anybody with a
-- connection could hold an advisory lock.
--
-- Just-in-time compilation would take longer than the refresh. Where a session has all identifiers quoted, a concurrent
-- refresh of PostgreSQL fails.
--
-- The totals are updated last, so that changes of keys do not wait for the views, which sum up the versions themselves.
-- A key that another session is changing is left for the next call. A total stops at the maximum of a counter.
CREATE FUNCTION {schema}.refresh_key_views() RETURNS TABLE (view_name text, refreshed_at timestamptz, duration_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET quote_all_identifiers = off
AS $$
DECLARE
    view regclass;
    begun timestamptz;
BEGIN
    PERFORM FROM {schema}.key_view_refreshes AS known
    WHERE known.view_name = 'key_health_monitor' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (
        SELECT FROM {schema}.key_view_refreshes AS known WHERE known.view_name = 'key_health_monitor'
    ) THEN
        RETURN;
    END IF;
    refreshed_at := now();
    FOREACH view IN ARRAY ARRAY[
        '{schema}.key_management_dashboard'::regclass, '{schema}.key_health_monitor'::regclass
    ] LOOP
        begun := clock_timestamp();
        -- A view that a restore left empty cannot be refreshed CONCURRENTLY, and has no readers to block.
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
            SELECT version.key_id, least(sum(version.usage_count), 1000000000000000)::bigint AS usage_count
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
