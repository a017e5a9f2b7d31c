-- Derived from the models by tools/derived_sql.py.
-- A policy needs at least one trigger of rotation: time, usage or compliance.
CREATE TRIGGER validate_rotation_policy_triggers_insert
BEFORE INSERT ON rotation_policies
WHEN coalesce(
    NEW.rotation_interval_days, NEW.max_key_age_days, NEW.max_operations, NEW.max_data_volume_mb
) IS NULL AND NEW.rotate_on_compliance_requirement IS NOT 1
BEGIN
    SELECT RAISE(ABORT, 'validate_rotation_policy_triggers: the policy has nothing that makes a key due');
END
