-- A new version gets its index bounds; see record_key_version_index_bounds_change.
CREATE TRIGGER record_key_version_index_bounds_insert
AFTER INSERT ON key_versions
BEGIN
    UPDATE key_versions SET usage_index_bound = NULL WHERE id = NEW.id;
END
