-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER guard_key_version_bounds
BEFORE INSERT OR UPDATE OF encryption_metadata ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.guard_row_bounds(
    'encryption_metadata', '65536'
)
