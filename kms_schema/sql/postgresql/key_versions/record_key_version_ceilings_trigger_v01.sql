-- Counting use is the hot path: while no counter passes its ceiling, no function is called. Each statement compiles
-- this condition, so it is short. It is not true for a version without a ceiling.
CREATE TRIGGER record_key_version_ceilings
BEFORE UPDATE OF usage_count, data_volume_bytes ON {schema}.key_versions
FOR EACH ROW WHEN (NEW.usage_count > NEW.usage_ceiling OR NEW.data_volume_bytes > NEW.volume_ceiling)
EXECUTE FUNCTION {schema}.record_key_version_ceilings()
