-- An index bound is an upper bound of a version's counter, until this trigger computes the next one: just below the
-- next limit that an active policy sets for keys of its type, or the next power of two. The index bounds and the type
-- are indexed, so rotations_due gets from a limit to the versions that have reached it. The counters are not indexed, so
-- updates of counters stay HOT, except when a counter passes its index bound (62 times at most, and once for each
-- limit). An index bound is never below its counter, and queries check the counter itself. NULL: not computed yet; such
-- versions are read one by one.
--
-- Each key has a limit of its own at which it encrypts no more: max_usage_count, 2^31 uses with AES-256-GCM, or the maximum
-- of the counter. From 90 % of it on, the index bound is the greatest number, by which rotations_due finds the version. A new version locks
-- its key first, as validate_key_version_material does, so that max_usage_count cannot change meanwhile.
CREATE FUNCTION {schema}.record_key_version_index_bounds() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    greatest_count CONSTANT bigint := 9223372036854775807;
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM {schema}.key_masters WHERE id = NEW.key_id FOR NO KEY UPDATE;
    END IF;
    SELECT
        master.key_type,
        CASE WHEN NEW.usage_count >= (master.most_uses * 9 + 9) / 10 THEN greatest_count ELSE least(
            min(policy.max_operations) FILTER (WHERE policy.max_operations > NEW.usage_count) - 1,
            greatest_count >> (63 - length(ltrim((NEW.usage_count | 1023)::bit(64)::text, '0'))),
            (master.most_uses * 9 + 9) / 10 - 1
        ) END,
        least(
            min(policy.max_bytes) FILTER (WHERE policy.max_bytes > NEW.data_volume_bytes) - 1,
            greatest_count >> (63 - length(ltrim((NEW.data_volume_bytes | 1048575)::bit(64)::text, '0')))
        )
    INTO NEW.key_type, NEW.usage_index_bound, NEW.volume_index_bound
    FROM (
        SELECT
            id,
            key_type,
            least(
                max_usage_count, CASE algorithm WHEN 'AES-256-GCM' THEN 2147483648 ELSE 1000000000000000 END
            ) AS most_uses
        FROM {schema}.key_masters
    ) AS master
    LEFT JOIN (
        SELECT
            key_type,
            max_operations,
            max_data_volume_mb * 1048576 AS max_bytes
        FROM {schema}.rotation_policies
        WHERE is_active
    ) AS policy ON master.key_type = policy.key_type
    WHERE master.id = NEW.key_id
    GROUP BY master.key_type, master.most_uses;
    RETURN NEW;
END
$$
