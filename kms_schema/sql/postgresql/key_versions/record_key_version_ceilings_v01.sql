-- A ceiling is an upper bound of a version's counter, until this trigger computes the next one: just below the next
-- limit that an active policy sets for keys of its type, or the next power of two. The ceilings and the type are
-- indexed, so rotations_due gets from a limit to the versions that have reached it. The counters are not indexed, so
-- updates of counters stay HOT, except when a counter passes its ceiling (62 times at most, and once for each limit).
-- Ceilings affect only the cost of a query: a ceiling is never below its counter, and queries check the counter itself.
-- NULL: not computed yet; such versions are read one by one.
CREATE FUNCTION {schema}.record_key_version_ceilings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    greatest_count CONSTANT bigint := 9223372036854775807;
BEGIN
    SELECT
        master.key_type,
        least(
            min(policy.max_operations) FILTER (WHERE policy.max_operations > NEW.usage_count) - 1,
            greatest_count >> (63 - length(ltrim((NEW.usage_count | 1023)::bit(64)::text, '0')))
        ),
        least(
            min(policy.max_bytes) FILTER (WHERE policy.max_bytes > NEW.data_volume_bytes) - 1,
            greatest_count >> (63 - length(ltrim((NEW.data_volume_bytes | 1048575)::bit(64)::text, '0')))
        )
    INTO NEW.key_type, NEW.usage_ceiling, NEW.volume_ceiling
    FROM {schema}.key_masters AS master
    LEFT JOIN (
        SELECT
            key_type,
            max_operations,
            max_data_volume_mb * 1048576 AS max_bytes
        FROM {schema}.rotation_policies
        WHERE is_active
    ) AS policy ON master.key_type = policy.key_type
    WHERE master.id = NEW.key_id
    GROUP BY master.key_type;
    RETURN NEW;
END
$$
