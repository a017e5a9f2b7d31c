-- Derived from the models by tools/derived_sql.py.
-- Counting use and bookkeeping are no changes of state: they update none of these columns and do not fire this trigger.
CREATE TRIGGER audit_rotation_policy_update
AFTER UPDATE OF
    created_by, is_active, key_type, max_data_volume_mb, max_key_age_days, max_operations, notification_channels,
    notify_before_rotation_hours, policy_name, rotate_on_compliance_requirement, rotate_on_security_incident,
    rotation_interval_days, rotation_window_end, rotation_window_start, timezone
ON {schema}.rotation_policies
FOR EACH ROW WHEN (
    OLD.created_by IS DISTINCT FROM NEW.created_by OR OLD.is_active IS DISTINCT FROM NEW.is_active
    OR OLD.key_type IS DISTINCT FROM NEW.key_type OR OLD.max_data_volume_mb IS DISTINCT FROM NEW.max_data_volume_mb
    OR OLD.max_key_age_days IS DISTINCT FROM NEW.max_key_age_days
    OR OLD.max_operations IS DISTINCT FROM NEW.max_operations
    OR OLD.notification_channels IS DISTINCT FROM NEW.notification_channels
    OR OLD.notify_before_rotation_hours IS DISTINCT FROM NEW.notify_before_rotation_hours
    OR OLD.policy_name IS DISTINCT FROM NEW.policy_name
    OR OLD.rotate_on_compliance_requirement IS DISTINCT FROM NEW.rotate_on_compliance_requirement
    OR OLD.rotate_on_security_incident IS DISTINCT FROM NEW.rotate_on_security_incident
    OR OLD.rotation_interval_days IS DISTINCT FROM NEW.rotation_interval_days
    OR OLD.rotation_window_end IS DISTINCT FROM NEW.rotation_window_end
    OR OLD.rotation_window_start IS DISTINCT FROM NEW.rotation_window_start
    OR OLD.timezone IS DISTINCT FROM NEW.timezone
)
EXECUTE FUNCTION {schema}.audit_key_change(
    'POLICY', 'POLICY',
    '{policy_name, key_type, rotation_interval_days, max_key_age_days, max_operations, max_data_volume_mb,
     rotate_on_security_incident, rotate_on_compliance_requirement, rotation_window_start, rotation_window_end,
     timezone, notify_before_rotation_hours, is_active, created_by}',
    '{notification_channels}'
)
