-- TRUNCATE fires no row trigger, and TRUNCATE key_masters CASCADE arrives here too.
CREATE TRIGGER prevent_key_version_delete_truncate
BEFORE TRUNCATE ON {schema}.key_versions
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_key_version_delete()
