-- TRUNCATE fires no row triggers; TRUNCATE key_masters CASCADE fires this one, too.
CREATE TRIGGER prevent_key_version_delete_truncate
BEFORE TRUNCATE ON {schema}.key_versions
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_key_version_delete()
