CREATE TRIGGER record_key_version_index_bounds_limit
AFTER UPDATE OF max_usage_count ON {schema}.key_masters
FOR EACH ROW WHEN (NEW.max_usage_count IS DISTINCT FROM OLD.max_usage_count)
EXECUTE FUNCTION {schema}.record_key_version_index_bounds_limit()
