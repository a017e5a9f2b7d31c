CREATE TRIGGER prevent_key_audit_log_delete
BEFORE DELETE ON {schema}.key_audit_logs
FOR EACH ROW EXECUTE FUNCTION {schema}.prevent_key_audit_log_change()
