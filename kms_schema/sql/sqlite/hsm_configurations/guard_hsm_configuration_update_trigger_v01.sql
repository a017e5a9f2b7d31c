-- Derived from the models by tools/derived_sql.py.
-- UPDATE OR REPLACE deletes conflicting rows without firing DELETE triggers.
CREATE TRIGGER guard_hsm_configuration_update
BEFORE UPDATE OF id, configuration_name ON hsm_configurations
BEGIN
    SELECT RAISE(ABORT, 'pk_hsm_configurations: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM hsm_configurations WHERE id = NEW.id AND id <> OLD.id);
    SELECT RAISE(ABORT, 'uq_hsm_configurations_configuration_name: another row has this configuration_name (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM hsm_configurations WHERE configuration_name = NEW.configuration_name AND id <> OLD.id);
END
