-- TRUNCATE fires no row triggers; TRUNCATE CASCADE of a parent fires this one, too.
CREATE TRIGGER prevent_key_audit_log_delete_truncate
BEFORE TRUNCATE ON {schema}.key_audit_logs
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_key_audit_log_change()
