CREATE TRIGGER guard_key_audit_subtree_insert
BEFORE INSERT ON {schema}.key_audit_subtrees
FOR EACH ROW WHEN (NOT {schema}.kms_restoring()) EXECUTE FUNCTION {schema}.guard_key_audit_subtree_insert()
