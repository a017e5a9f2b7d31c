-- Derived from the models by tools/derived_sql.py.
-- Evidence is written once.
CREATE TRIGGER prevent_key_audit_leaf_delete
BEFORE DELETE ON key_audit_leaves
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_audit_leaf_delete: WORM violation: DELETE of key_audit_leaves is refused');
END
