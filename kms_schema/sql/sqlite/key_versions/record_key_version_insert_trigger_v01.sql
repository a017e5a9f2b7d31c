-- Adding or activating a version updates its key: the lifetime total of use and, from the second activation on,
-- rotated_at, the time of the latest activation (of a key that stays active). sum() fails where a sum is no integer of
-- 64 bits; total() is exact up to nine times the maximum of a counter, at which the total of a key stops.
CREATE TRIGGER record_key_version_insert
AFTER INSERT ON key_versions
BEGIN
    UPDATE key_masters SET
        usage_count = max(usage_count, (
            SELECT min(CAST(total(usage_count) AS INTEGER), 1000000000000000)
            FROM key_versions WHERE key_id = NEW.key_id
        )),
        rotated_at = CASE
            WHEN status = 'active'
                AND (SELECT count(activated_at) FROM key_versions WHERE key_id = NEW.key_id) > 1
            THEN (
                SELECT max(max(activated_at), coalesce(key_masters.rotated_at, ''))
                FROM key_versions WHERE key_id = NEW.key_id
            )
            ELSE rotated_at
        END
    WHERE id = NEW.key_id;
END
