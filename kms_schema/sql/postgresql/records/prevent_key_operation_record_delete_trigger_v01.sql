-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER prevent_key_operation_record_delete
BEFORE DELETE ON {schema}.key_operation_records
FOR EACH ROW EXECUTE FUNCTION {schema}.prevent_key_audit_evidence_change()
