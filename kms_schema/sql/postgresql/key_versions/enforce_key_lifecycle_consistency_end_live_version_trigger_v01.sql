CREATE TRIGGER enforce_key_lifecycle_consistency_end_live_version
AFTER UPDATE OF status ON {schema}.key_masters
FOR EACH ROW WHEN (NEW.status = 'revoked' AND OLD.status <> 'revoked')
EXECUTE FUNCTION {schema}.enforce_key_lifecycle_consistency_end_live_version()
