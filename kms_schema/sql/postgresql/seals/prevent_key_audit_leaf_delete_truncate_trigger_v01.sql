-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER prevent_key_audit_leaf_delete_truncate
BEFORE TRUNCATE ON {schema}.key_audit_leaves
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_key_audit_evidence_change()
