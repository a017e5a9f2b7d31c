-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER touch_rotation_policy_updated_at
BEFORE UPDATE ON {schema}.rotation_policies
FOR EACH ROW EXECUTE FUNCTION {schema}.touch_updated_at()
