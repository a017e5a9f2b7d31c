CREATE TRIGGER audit_key_audit_tombstone_insert
AFTER INSERT ON {schema}.key_audit_tombstones
FOR EACH ROW EXECUTE FUNCTION {schema}.audit_retention_change('TRAIL', 'COMPLIANCE')
