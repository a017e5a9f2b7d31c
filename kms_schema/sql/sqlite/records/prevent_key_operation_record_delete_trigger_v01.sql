-- Derived from the models by tools/derived_sql.py.
-- Records are written once.
CREATE TRIGGER prevent_key_operation_record_delete
BEFORE DELETE ON key_operation_records
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_operation_record_delete: WORM violation: DELETE of key_operation_records is refused');
END
