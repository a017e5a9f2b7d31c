CREATE TRIGGER validate_key_master_parent
BEFORE INSERT OR UPDATE OF parent_key_id ON {schema}.key_masters
FOR EACH ROW EXECUTE FUNCTION {schema}.validate_key_master_parent()
