CREATE TRIGGER validate_key_version_chronology
BEFORE INSERT OR UPDATE OF created_at, activated_at, deactivated_at, destroyed_at ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.validate_key_version_chronology()
