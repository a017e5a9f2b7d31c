-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER protect_key_version_identity
BEFORE UPDATE OF id, key_id, version_number, created_at, ciphertext_tag ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.protect_row_identity('id', 'key_id', 'version_number', 'created_at', 'ciphertext_tag')
