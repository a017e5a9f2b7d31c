-- Clients cannot set an index bound: a value written to these columns is recomputed.
CREATE TRIGGER record_key_version_index_bounds_change
BEFORE UPDATE OF key_type, usage_index_bound, volume_index_bound ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.record_key_version_index_bounds()
