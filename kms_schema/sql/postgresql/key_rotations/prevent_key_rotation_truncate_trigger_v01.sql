CREATE TRIGGER prevent_key_rotation_truncate
BEFORE TRUNCATE ON {schema}.key_rotations
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_key_rotation_truncate()
