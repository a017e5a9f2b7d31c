CREATE TRIGGER validate_rotation_policy_timezone
BEFORE INSERT OR UPDATE OF timezone ON {schema}.rotation_policies
FOR EACH ROW EXECUTE FUNCTION {schema}.validate_rotation_policy_timezone()
