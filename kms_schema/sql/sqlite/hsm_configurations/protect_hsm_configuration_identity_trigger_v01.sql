-- Derived from the models by tools/derived_sql.py.
-- The identity columns of a row never change.
CREATE TRIGGER protect_hsm_configuration_identity
BEFORE UPDATE OF id, created_at ON hsm_configurations
BEGIN
    SELECT RAISE(ABORT, 'protect_hsm_configuration_identity: id may not change')
    WHERE NEW.id IS NOT OLD.id;
    SELECT RAISE(ABORT, 'protect_hsm_configuration_identity: created_at may not change')
    WHERE NEW.created_at IS NOT OLD.created_at;
END
