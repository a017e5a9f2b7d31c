CREATE TRIGGER record_key_version_index_bounds_insert
BEFORE INSERT ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.record_key_version_index_bounds()
