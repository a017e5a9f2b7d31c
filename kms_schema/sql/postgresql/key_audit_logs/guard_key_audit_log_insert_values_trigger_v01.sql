CREATE TRIGGER guard_key_audit_log_insert_values
BEFORE INSERT ON {schema}.key_audit_logs
FOR EACH ROW EXECUTE FUNCTION {schema}.guard_key_audit_log_insert_values()
