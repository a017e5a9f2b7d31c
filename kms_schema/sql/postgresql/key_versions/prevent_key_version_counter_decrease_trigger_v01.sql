CREATE TRIGGER prevent_key_version_counter_decrease
BEFORE UPDATE OF usage_count, data_volume_bytes ON {schema}.key_versions
FOR EACH ROW WHEN (
    NEW.usage_count NOT BETWEEN OLD.usage_count AND OLD.usage_count + 16777216
    OR NEW.data_volume_bytes NOT BETWEEN OLD.data_volume_bytes AND OLD.data_volume_bytes + 1099511627776
)
EXECUTE FUNCTION {schema}.prevent_counter_decrease('usage_count', 'data_volume_bytes')
