-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER guard_hsm_configuration_bounds
BEFORE INSERT OR UPDATE OF supported_algorithms, endpoint_url ON {schema}.hsm_configurations
FOR EACH ROW EXECUTE FUNCTION {schema}.guard_row_bounds(
    'supported_algorithms', '4096', 'endpoint_url', '1020'
)
