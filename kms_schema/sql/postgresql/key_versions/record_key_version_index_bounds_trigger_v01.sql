-- Counting use is the hot path: while no counter passes its index bound, no function is called. Each statement compiles
-- this condition, so it is short. It is not true for a version without an index bound.
CREATE TRIGGER record_key_version_index_bounds
BEFORE UPDATE OF usage_count, data_volume_bytes ON {schema}.key_versions
FOR EACH ROW WHEN (NEW.usage_count > NEW.usage_index_bound OR NEW.data_volume_bytes > NEW.volume_index_bound)
EXECUTE FUNCTION {schema}.record_key_version_index_bounds()
