-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER protect_hsm_configuration_identity
BEFORE UPDATE OF id, created_at ON {schema}.hsm_configurations
FOR EACH ROW EXECUTE FUNCTION {schema}.protect_row_identity('id', 'created_at')
