-- Derived from the models by tools/derived_sql.py.
-- Evidence is written once.
CREATE TRIGGER prevent_key_audit_leaf_update
BEFORE UPDATE ON key_audit_leaves
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_audit_leaf_update: WORM violation: UPDATE of key_audit_leaves is refused');
END
