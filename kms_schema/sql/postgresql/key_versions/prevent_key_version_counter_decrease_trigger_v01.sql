CREATE TRIGGER prevent_key_version_counter_decrease
BEFORE UPDATE OF usage_count, data_volume_bytes ON {schema}.key_versions
FOR EACH ROW WHEN (NEW.usage_count < OLD.usage_count OR NEW.data_volume_bytes < OLD.data_volume_bytes)
EXECUTE FUNCTION {schema}.prevent_counter_decrease('usage_count', 'data_volume_bytes')
