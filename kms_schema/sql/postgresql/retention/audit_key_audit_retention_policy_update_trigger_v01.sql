CREATE TRIGGER audit_key_audit_retention_policy_update
AFTER UPDATE ON {schema}.key_audit_retention_policies
FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION {schema}.audit_retention_change('POLICY', 'POLICY')
