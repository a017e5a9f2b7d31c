-- A counter that passes its index bound gets a new one; see record_key_version_index_bounds_change. It does not fire for a
-- version without an index bound.
CREATE TRIGGER record_key_version_index_bounds
AFTER UPDATE OF usage_count, data_volume_bytes ON key_versions
WHEN NEW.usage_count > NEW.usage_index_bound OR NEW.data_volume_bytes > NEW.volume_index_bound
BEGIN
    UPDATE key_versions SET usage_index_bound = NULL WHERE id = NEW.id;
END
