-- An index bound is an upper bound of a version's counter, until this trigger computes the next one: just below the
-- next limit that an active policy sets for keys of its type, or the next power of two. The index bounds and the type
-- are indexed, so rotations_due gets from a limit to the versions that have reached it. The counters are not indexed, so
-- counting use updates no index, except when a counter passes its index bound (62 times at most, and once for each
-- limit). An index bound is never below its counter, and queries check the counter itself. NULL: not computed yet; such
-- versions are read one by one. Clients cannot set an index bound: a value written to these columns is recomputed. With
-- recursive_triggers = ON the trigger fires once more and changes nothing. Shifting fills all bits below the highest
-- one: SQLite has log2() in some builds only.
--
-- Each key has a limit of its own at which it encrypts no more: max_usage_count, 2^31 uses with AES-256-GCM, or the maximum
-- of the counter. From 90 % of it on, the index bound is the greatest number, by which rotations_due finds the version.
CREATE TRIGGER record_key_version_index_bounds_change
AFTER UPDATE OF key_type, usage_index_bound, volume_index_bound ON key_versions
WHEN (
    NEW.usage_index_bound = OLD.usage_index_bound AND NEW.volume_index_bound = OLD.volume_index_bound AND NEW.key_type = OLD.key_type
) IS NOT TRUE
BEGIN
    UPDATE key_versions SET
        key_type = master.key_type,
        usage_index_bound = CASE WHEN NEW.usage_count >= (master.most_uses * 9 + 9) / 10 THEN 9223372036854775807 ELSE min(
            (master.most_uses * 9 + 9) / 10 - 1,
            coalesce((
                SELECT min(max_operations) - 1
                FROM rotation_policies
                WHERE is_active AND key_type = master.key_type AND max_operations > NEW.usage_count
            ), 9223372036854775807),
            (
                SELECT bits | (bits >> 32)
                FROM (SELECT bits | (bits >> 16) AS bits
                FROM (SELECT bits | (bits >> 8) AS bits
                FROM (SELECT bits | (bits >> 4) AS bits
                FROM (SELECT bits | (bits >> 2) AS bits
                FROM (SELECT bits | (bits >> 1) AS bits
                FROM (SELECT NEW.usage_count | 1023 AS bits))))))
            )
        ) END,
        volume_index_bound = min(
            coalesce((
                SELECT min(max_data_volume_mb) * 1048576 - 1
                FROM rotation_policies
                WHERE
                    is_active
                    AND key_type = master.key_type
                    AND max_data_volume_mb > NEW.data_volume_bytes / 1048576
            ), 9223372036854775807),
            (
                SELECT bits | (bits >> 32)
                FROM (SELECT bits | (bits >> 16) AS bits
                FROM (SELECT bits | (bits >> 8) AS bits
                FROM (SELECT bits | (bits >> 4) AS bits
                FROM (SELECT bits | (bits >> 2) AS bits
                FROM (SELECT bits | (bits >> 1) AS bits
                FROM (SELECT NEW.data_volume_bytes | 1048575 AS bits))))))
            )
        )
    FROM (
        SELECT key_type, min(
            coalesce(max_usage_count, 1000000000000000),
            CASE algorithm WHEN 'AES-256-GCM' THEN 2147483648 ELSE 1000000000000000 END
        ) AS most_uses
        FROM key_masters WHERE id = NEW.key_id
    ) AS master
    WHERE key_versions.id = NEW.id;
END
