-- Adding or activating a version updates its key: the lifetime total of use and, from the second activation on,
-- rotated_at, the time of the latest activation (of a key that stays active). This update also makes the rules between
-- a key and its versions hold under REPEATABLE READ. The total stops at the maximum of a counter.
CREATE FUNCTION {schema}.record_key_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE {schema}.key_masters AS master
    SET usage_count = greatest(master.usage_count, total.usage_count),
        rotated_at = CASE
            WHEN master.status = 'active' AND total.activations > 1
                THEN greatest(master.rotated_at, total.last_activation)
            ELSE master.rotated_at
        END
    FROM (
        SELECT
            least(coalesce(sum(version.usage_count), 0), 1000000000000000)::bigint AS usage_count,
            count(version.activated_at) AS activations,
            max(version.activated_at) AS last_activation
        FROM {schema}.key_versions AS version
        WHERE version.key_id = NEW.key_id
    ) AS total
    WHERE master.id = NEW.key_id;
    RETURN NULL; -- the result of an AFTER trigger is ignored
END
$$
