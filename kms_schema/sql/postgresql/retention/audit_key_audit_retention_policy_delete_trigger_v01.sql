CREATE TRIGGER audit_key_audit_retention_policy_delete
AFTER DELETE ON {schema}.key_audit_retention_policies
FOR EACH ROW EXECUTE FUNCTION {schema}.audit_retention_change('POLICY', 'POLICY')
