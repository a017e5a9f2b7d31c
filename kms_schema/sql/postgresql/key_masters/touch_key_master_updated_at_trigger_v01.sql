-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER touch_key_master_updated_at
BEFORE UPDATE ON {schema}.key_masters
FOR EACH ROW EXECUTE FUNCTION {schema}.touch_updated_at()
