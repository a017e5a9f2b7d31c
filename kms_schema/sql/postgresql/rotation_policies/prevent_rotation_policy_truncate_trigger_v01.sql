CREATE TRIGGER prevent_rotation_policy_truncate
BEFORE TRUNCATE ON {schema}.rotation_policies
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_unrecorded_truncate()
