-- Brings the lifetime totals of use up to date, refreshes both materialized views without blocking their readers,
-- and writes down when. Views stay owned by the schema's owner; who may call this needs no rights on them.
CREATE FUNCTION {schema}.refresh_key_views() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE {schema}.key_masters AS master
    SET usage_count = total.usage_count
    FROM (
        SELECT version.key_id, sum(version.usage_count)::bigint AS usage_count
        FROM {schema}.key_versions AS version
        GROUP BY version.key_id
    ) AS total
    WHERE master.id = total.key_id AND master.usage_count < total.usage_count;
    REFRESH MATERIALIZED VIEW CONCURRENTLY {schema}.key_management_dashboard;
    REFRESH MATERIALIZED VIEW CONCURRENTLY {schema}.key_health_monitor;
    UPDATE {schema}.key_view_refreshes SET refreshed_at = now();
END
$$
