CREATE TRIGGER enforce_key_rotation_lifecycle
BEFORE UPDATE ON {schema}.key_rotations
FOR EACH ROW EXECUTE FUNCTION {schema}.enforce_key_rotation_lifecycle()
