CREATE TRIGGER validate_key_master_custody
BEFORE UPDATE OF hsm_key_id ON {schema}.key_masters
FOR EACH ROW WHEN ((OLD.hsm_key_id IS NULL) <> (NEW.hsm_key_id IS NULL))
EXECUTE FUNCTION {schema}.validate_key_master_custody()
