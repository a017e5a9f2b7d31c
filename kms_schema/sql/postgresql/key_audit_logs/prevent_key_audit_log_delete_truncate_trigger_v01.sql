-- TRUNCATE fires no row trigger, and TRUNCATE CASCADE of a parent arrives here too.
CREATE TRIGGER prevent_key_audit_log_delete_truncate
BEFORE TRUNCATE ON {schema}.key_audit_logs
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_key_audit_log_change()
