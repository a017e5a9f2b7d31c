CREATE TRIGGER validate_key_master_encrypted_columns
BEFORE INSERT OR UPDATE OF encrypted_columns ON {schema}.key_masters
FOR EACH ROW EXECUTE FUNCTION {schema}.validate_key_master_encrypted_columns()
