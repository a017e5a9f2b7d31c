-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER protect_key_master_identity
BEFORE UPDATE OF id, key_id, key_type, algorithm, key_size_bits, created_at ON {schema}.key_masters
FOR EACH ROW EXECUTE FUNCTION {schema}.protect_row_identity('id', 'key_id', 'key_type', 'algorithm', 'key_size_bits', 'created_at')
