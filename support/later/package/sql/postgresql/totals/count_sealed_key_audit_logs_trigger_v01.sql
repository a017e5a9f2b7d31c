CREATE TRIGGER count_sealed_key_audit_logs
AFTER INSERT ON {schema}.key_audit_leaves
REFERENCING NEW TABLE AS pages
FOR EACH STATEMENT WHEN (NOT {schema}.kms_restoring()) EXECUTE FUNCTION {schema}.count_sealed_key_audit_logs()
