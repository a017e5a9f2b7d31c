-- A counter that passes its ceiling gets a new one; see record_key_version_ceilings_change. It does not fire for a
-- version without a ceiling.
CREATE TRIGGER record_key_version_ceilings
AFTER UPDATE OF usage_count, data_volume_bytes ON key_versions
WHEN NEW.usage_count > NEW.usage_ceiling OR NEW.data_volume_bytes > NEW.volume_ceiling
BEGIN
    UPDATE key_versions SET usage_ceiling = NULL WHERE id = NEW.id;
END
