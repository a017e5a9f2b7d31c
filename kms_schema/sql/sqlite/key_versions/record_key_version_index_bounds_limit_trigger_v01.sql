-- Another limit of a key: the index bounds of its versions are computed again, also of those that are not live: they may
-- become live, and that computes none. See record_key_version_index_bounds_change.
CREATE TRIGGER record_key_version_index_bounds_limit
AFTER UPDATE OF max_usage_count ON key_masters
WHEN NEW.max_usage_count IS NOT OLD.max_usage_count
BEGIN
    UPDATE key_versions SET usage_index_bound = NULL WHERE key_id = NEW.id AND destroyed_at IS NULL;
END
