-- Derived from the models by tools/derived_sql.py.
-- INSERT OR REPLACE deletes conflicting rows without firing DELETE triggers, so a conflicting row is refused first.
-- This refuses upserts as well, a documented difference from PostgreSQL.
CREATE TRIGGER guard_hsm_configuration_insert
BEFORE INSERT ON hsm_configurations
BEGIN
    SELECT RAISE(ABORT, 'pk_hsm_configurations: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM hsm_configurations WHERE id = NEW.id);
    SELECT RAISE(ABORT, 'uq_hsm_configurations_configuration_name: another row has this configuration_name (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM hsm_configurations WHERE configuration_name = NEW.configuration_name);
END
