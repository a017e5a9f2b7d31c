CREATE TRIGGER guard_key_version_label
BEFORE INSERT OR UPDATE OF label ON {schema}.key_versions
FOR EACH ROW WHEN (NEW.label IS NOT NULL) EXECUTE FUNCTION {schema}.guard_key_version_label()
