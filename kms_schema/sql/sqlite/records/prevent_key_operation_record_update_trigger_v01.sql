-- Derived from the models by tools/derived_sql.py.
-- Records are written once.
CREATE TRIGGER prevent_key_operation_record_update
BEFORE UPDATE ON key_operation_records
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_operation_record_update: WORM violation: UPDATE of key_operation_records is refused');
END
