-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_rotation_policy_delete
AFTER DELETE ON {schema}.rotation_policies
FOR EACH ROW EXECUTE FUNCTION {schema}.audit_key_change(
    'POLICY', 'POLICY',
    '{policy_name, key_type, rotation_interval_days, max_key_age_days, max_operations, max_data_volume_mb,
     rotate_on_security_incident, rotate_on_compliance_requirement, rotation_window_start, rotation_window_end,
     timezone, notify_before_rotation_hours, is_active, created_by}',
    '{notification_channels}'
)
