CREATE TRIGGER validate_hsm_configuration_credentials
BEFORE INSERT OR UPDATE OF authentication_config, endpoint_url ON {schema}.hsm_configurations
FOR EACH ROW EXECUTE FUNCTION {schema}.validate_hsm_configuration_credentials()
