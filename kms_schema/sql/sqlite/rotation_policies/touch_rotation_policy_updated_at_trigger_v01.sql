-- Derived from the models by tools/derived_sql.py.
-- updated_at is the time of the last change, unless the caller gives another. The column list omits updated_at, so that
-- the trigger does not fire itself with recursive_triggers = ON.
CREATE TRIGGER touch_rotation_policy_updated_at
AFTER UPDATE OF
    id, policy_name, key_type, rotation_interval_days, max_key_age_days, max_operations, max_data_volume_mb,
    rotate_on_security_incident, rotate_on_compliance_requirement, rotation_window_start, rotation_window_end,
    timezone, notify_before_rotation_hours, notification_channels, is_active, created_by, created_at
ON rotation_policies
WHEN NEW.updated_at IS OLD.updated_at
BEGIN
    UPDATE rotation_policies SET updated_at = strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' WHERE id = NEW.id;
END
