CREATE TRIGGER validate_key_version_activation
BEFORE INSERT OR UPDATE OF activated_at, deactivated_at ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.validate_key_version_activation()
