CREATE TRIGGER summarize_removed_key_audit_logs
AFTER DELETE ON {schema}.key_audit_logs
REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.summarize_removed_key_audit_logs()
