-- Usage counters never decrease.
CREATE TRIGGER prevent_key_master_counter_decrease
BEFORE UPDATE OF usage_count ON key_masters
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_master_counter_decrease: usage_count may not decrease')
    WHERE NEW.usage_count < OLD.usage_count;
END
