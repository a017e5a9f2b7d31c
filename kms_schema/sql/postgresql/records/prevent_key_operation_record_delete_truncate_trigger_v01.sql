-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER prevent_key_operation_record_delete_truncate
BEFORE TRUNCATE ON {schema}.key_operation_records
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.prevent_key_audit_evidence_change()
