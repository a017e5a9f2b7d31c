CREATE TRIGGER prevent_hsm_configuration_truncate
BEFORE TRUNCATE ON {schema}.hsm_configurations
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_unrecorded_truncate()
