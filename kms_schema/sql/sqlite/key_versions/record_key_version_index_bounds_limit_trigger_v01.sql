-- Another limit of a key: the index bound of its live version is computed again; see
-- record_key_version_index_bounds_change.
CREATE TRIGGER record_key_version_index_bounds_limit
AFTER UPDATE OF max_usage_count ON key_masters
WHEN NEW.max_usage_count IS NOT OLD.max_usage_count
BEGIN
    UPDATE key_versions SET usage_index_bound = NULL
    WHERE key_id = NEW.id AND activated_at IS NOT NULL AND deactivated_at IS NULL;
END
