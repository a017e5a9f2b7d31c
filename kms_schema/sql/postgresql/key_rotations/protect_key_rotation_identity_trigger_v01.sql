-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER protect_key_rotation_identity
BEFORE UPDATE OF id, key_id ON {schema}.key_rotations
FOR EACH ROW EXECUTE FUNCTION {schema}.protect_row_identity('id', 'key_id')
