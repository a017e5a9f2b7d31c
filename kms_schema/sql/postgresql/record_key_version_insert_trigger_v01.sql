CREATE TRIGGER record_key_version_insert
AFTER INSERT ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.record_key_version()
