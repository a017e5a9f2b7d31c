CREATE TRIGGER touch_key_master_updated_at
BEFORE UPDATE ON {schema}.key_masters
FOR EACH ROW EXECUTE FUNCTION {schema}.touch_updated_at()
