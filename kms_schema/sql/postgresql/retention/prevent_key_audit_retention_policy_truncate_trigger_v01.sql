CREATE TRIGGER prevent_key_audit_retention_policy_truncate
BEFORE TRUNCATE ON {schema}.key_audit_retention_policies
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_unrecorded_truncate()
