-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER touch_hsm_configuration_updated_at
BEFORE UPDATE ON {schema}.hsm_configurations
FOR EACH ROW EXECUTE FUNCTION {schema}.touch_updated_at()
