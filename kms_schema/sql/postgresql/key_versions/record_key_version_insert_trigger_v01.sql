CREATE TRIGGER record_key_version_insert
AFTER INSERT ON {schema}.key_versions REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.record_key_version_insert()
