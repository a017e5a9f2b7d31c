-- A ceiling is an upper bound of a version's counter, until this trigger computes the next one: just below the next
-- limit that an active policy sets for keys of its type, or the next power of two. The ceilings and the type are
-- indexed, so rotations_due gets from a limit to the versions that have reached it. The counters are not indexed, so
-- counting use updates no index, except when a counter passes its ceiling (62 times at most, and once for each limit).
-- Ceilings affect only the cost of a query: a ceiling is never below its counter, and queries check the counter itself.
-- NULL: not computed yet; such versions are read one by one. Clients cannot set a ceiling: a value written to these
-- columns is recomputed. With recursive_triggers = ON the trigger fires once more and changes nothing. Shifting fills
-- all bits below the highest one: SQLite has log2() in some builds only.
CREATE TRIGGER record_key_version_ceilings_change
AFTER UPDATE OF key_type, usage_ceiling, volume_ceiling ON key_versions
WHEN (
    NEW.usage_ceiling = OLD.usage_ceiling AND NEW.volume_ceiling = OLD.volume_ceiling AND NEW.key_type = OLD.key_type
) IS NOT TRUE
BEGIN
    UPDATE key_versions SET
        key_type = master.key_type,
        usage_ceiling = min(
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
        ),
        volume_ceiling = min(
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
    FROM (SELECT key_type FROM key_masters WHERE id = NEW.key_id) AS master
    WHERE key_versions.id = NEW.id;
END
