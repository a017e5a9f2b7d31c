CREATE TRIGGER enforce_key_lifecycle_consistency
BEFORE UPDATE OF status ON {schema}.key_masters
FOR EACH ROW EXECUTE FUNCTION {schema}.enforce_key_lifecycle_consistency()
