-- Derived from the models by tools/derived_sql.py.
-- OR REPLACE replaces a NULL with the column's default after the other guard triggers have run: a counter would be
-- reset to 0, a creation time would change.
CREATE TRIGGER guard_rotation_policy_not_null
BEFORE UPDATE OF
    id, rotate_on_security_incident, rotate_on_compliance_requirement, timezone, notify_before_rotation_hours,
    is_active, created_at, updated_at
ON rotation_policies
WHEN NEW.id IS NULL OR NEW.rotate_on_security_incident IS NULL OR NEW.rotate_on_compliance_requirement IS NULL
    OR NEW.timezone IS NULL OR NEW.notify_before_rotation_hours IS NULL OR NEW.is_active IS NULL
    OR NEW.created_at IS NULL OR NEW.updated_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'guard_rotation_policy_not_null: a column with a default may not be given as NULL');
END
