CREATE TRIGGER prevent_key_master_truncate
BEFORE TRUNCATE ON {schema}.key_masters
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_unrecorded_truncate()
