CREATE TRIGGER guard_key_audit_seal_insert
BEFORE INSERT ON {schema}.key_audit_seals
FOR EACH ROW WHEN (NOT {schema}.kms_restoring()) EXECUTE FUNCTION {schema}.guard_key_audit_seal_insert()
