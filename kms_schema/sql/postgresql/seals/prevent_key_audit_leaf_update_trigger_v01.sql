-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER prevent_key_audit_leaf_update
BEFORE UPDATE ON {schema}.key_audit_leaves
FOR EACH ROW EXECUTE FUNCTION {schema}.prevent_key_audit_evidence_change()
