-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER guard_key_rotation_bounds
BEFORE INSERT OR UPDATE OF trigger_details, error_message ON {schema}.key_rotations
FOR EACH ROW EXECUTE FUNCTION {schema}.guard_row_bounds(
    'trigger_details', '65536', 'error_message', '1048576'
)
