-- Derived from the models by tools/derived_sql.py.
-- Evidence is written once.
CREATE TRIGGER prevent_key_audit_seal_delete
BEFORE DELETE ON key_audit_seals
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_audit_seal_delete: WORM violation: DELETE of key_audit_seals is refused');
END
