CREATE TRIGGER validate_key_version_wrapper
BEFORE INSERT OR UPDATE OF wrapped_by_version_id ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.validate_key_version_wrapper()
