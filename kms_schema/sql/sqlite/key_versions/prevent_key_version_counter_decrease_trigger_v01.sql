-- Usage counters never decrease, and grow by a bounded number at once: otherwise a client that counts could use up a key for
-- ever in one statement. Beyond the maximum of a counter a CHECK refuses.
CREATE TRIGGER prevent_key_version_counter_decrease
BEFORE UPDATE OF usage_count, data_volume_bytes ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_version_counter_decrease: usage_count may not decrease')
    WHERE NEW.usage_count < OLD.usage_count;
    SELECT RAISE(ABORT, 'prevent_key_version_counter_decrease: data_volume_bytes may not decrease')
    WHERE NEW.data_volume_bytes < OLD.data_volume_bytes;
    SELECT RAISE(ABORT, 'prevent_key_version_counter_decrease: a statement may add at most 16777216 uses and 1 TiB to a version')
    WHERE NEW.usage_count BETWEEN OLD.usage_count + 16777217 AND 1000000000000000
        OR NEW.data_volume_bytes BETWEEN OLD.data_volume_bytes + 1099511627777 AND 9007199254740992;
END
