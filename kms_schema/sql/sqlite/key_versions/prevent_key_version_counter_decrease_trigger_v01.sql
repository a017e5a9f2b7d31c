-- Usage counters never decrease.
CREATE TRIGGER prevent_key_version_counter_decrease
BEFORE UPDATE OF usage_count, data_volume_bytes ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_version_counter_decrease: usage_count may not decrease')
    WHERE NEW.usage_count < OLD.usage_count;
    SELECT RAISE(ABORT, 'prevent_key_version_counter_decrease: data_volume_bytes may not decrease')
    WHERE NEW.data_volume_bytes < OLD.data_volume_bytes;
END
