-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER protect_rotation_policy_identity
BEFORE UPDATE OF id, created_at ON {schema}.rotation_policies
FOR EACH ROW EXECUTE FUNCTION {schema}.protect_row_identity('id', 'created_at')
