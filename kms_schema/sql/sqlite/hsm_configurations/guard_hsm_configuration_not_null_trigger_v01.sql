-- Derived from the models by tools/derived_sql.py.
-- OR REPLACE replaces a NULL with the column's default after the other guard triggers have run: a counter would be
-- reset to 0, a creation time would change.
CREATE TRIGGER guard_hsm_configuration_not_null
BEFORE UPDATE OF
    id, supports_key_generation, supports_key_derivation, is_active, require_dual_auth, audit_all_operations,
    created_at, updated_at
ON hsm_configurations
WHEN NEW.id IS NULL OR NEW.supports_key_generation IS NULL OR NEW.supports_key_derivation IS NULL
    OR NEW.is_active IS NULL OR NEW.require_dual_auth IS NULL OR NEW.audit_all_operations IS NULL
    OR NEW.created_at IS NULL OR NEW.updated_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'guard_hsm_configuration_not_null: a column with a default may not be given as NULL');
END
