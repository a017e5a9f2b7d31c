-- As record_key_version, for all versions that an INSERT or COPY adds: each key is updated once. A plan is cached for
-- the session, whatever the later sizes of tables and statements. So keys are found by id and their versions by key,
-- without table scans.
CREATE FUNCTION {schema}.record_key_version_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
    UPDATE {schema}.key_masters AS master
    SET (usage_count, rotated_at) = (
        SELECT
            greatest(
                master.usage_count, least(coalesce(sum(version.usage_count), 0), 1000000000000000)::bigint
            ),
            CASE
                WHEN master.status = 'active' AND count(version.activated_at) > 1
                    THEN greatest(master.rotated_at, max(version.activated_at))
                ELSE master.rotated_at
            END
        FROM {schema}.key_versions AS version
        WHERE version.key_id = master.id
    )
    WHERE master.id = ANY (ARRAY(SELECT DISTINCT key_id FROM inserted ORDER BY key_id));
    RETURN NULL; -- the result of an AFTER trigger is ignored
END
$$
