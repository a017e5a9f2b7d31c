CREATE TRIGGER count_removed_key_audit_logs
AFTER DELETE ON {schema}.key_audit_logs
REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.count_removed_key_audit_logs()
