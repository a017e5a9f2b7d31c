CREATE TRIGGER prevent_key_version_delete
BEFORE DELETE ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.prevent_key_version_delete()
