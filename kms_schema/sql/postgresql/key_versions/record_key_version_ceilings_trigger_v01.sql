-- Counting use is the hot path: as long as no counter passes its ceiling it calls no function, and this condition,
-- which each statement compiles anew, is short. It does not find a version that has no ceiling.
CREATE TRIGGER record_key_version_ceilings
BEFORE UPDATE OF usage_count, data_volume_bytes ON {schema}.key_versions
FOR EACH ROW WHEN (NEW.usage_count > NEW.usage_ceiling OR NEW.data_volume_bytes > NEW.volume_ceiling)
EXECUTE FUNCTION {schema}.record_key_version_ceilings()
