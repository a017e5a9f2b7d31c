CREATE TRIGGER validate_rotation_policy_triggers
BEFORE INSERT OR UPDATE OF
    rotation_interval_days, max_key_age_days, max_operations, max_data_volume_mb, rotate_on_compliance_requirement
ON {schema}.rotation_policies
FOR EACH ROW EXECUTE FUNCTION {schema}.validate_rotation_policy_triggers()
