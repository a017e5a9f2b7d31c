CREATE TRIGGER guard_key_operation_record_bounds
BEFORE INSERT ON {schema}.key_operation_records
FOR EACH ROW EXECUTE FUNCTION {schema}.guard_row_bounds(
    'subject', '1020'
)
