-- What record_key_version says of one new version, of all that an INSERT or COPY adds: each key is brought up to date once.
-- Keys are found by their ids, and their versions by those, however many there are: a plan that reads whole tables for
-- thousands of rows would stay for the session, and be used for one.
CREATE FUNCTION {schema}.record_key_version_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    UPDATE {schema}.key_masters AS master
    SET usage_count = greatest(master.usage_count, total.usage_count),
        rotated_at = CASE
            WHEN master.status = 'active' AND total.activations > 1
                THEN greatest(master.rotated_at, total.last_activation)
            ELSE master.rotated_at
        END
    FROM (SELECT DISTINCT key_id FROM inserted ORDER BY key_id) AS extended
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(version.usage_count), 0)::bigint AS usage_count,
            count(version.activated_at) AS activations,
            max(version.activated_at) AS last_activation
        FROM {schema}.key_versions AS version
        WHERE version.key_id = extended.key_id
    ) AS total
    WHERE master.id = extended.key_id;
    RETURN NULL; -- the result of an AFTER trigger is not read
END
$$
