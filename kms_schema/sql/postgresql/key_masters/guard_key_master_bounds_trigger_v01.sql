-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER guard_key_master_bounds
BEFORE INSERT OR UPDATE OF status_reason, compliance_tags, hsm_metadata, encrypted_columns ON {schema}.key_masters
FOR EACH ROW EXECUTE FUNCTION {schema}.guard_row_bounds(
    'status_reason', '4096', 'compliance_tags', '4096', 'hsm_metadata', '65536', 'encrypted_columns', '8192'
)
