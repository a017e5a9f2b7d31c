CREATE TRIGGER guard_key_audit_leaf_insert
BEFORE INSERT ON {schema}.key_audit_leaves
FOR EACH ROW WHEN (NOT {schema}.kms_restoring()) EXECUTE FUNCTION {schema}.guard_key_audit_leaf_insert()
