CREATE TRIGGER record_key_version_activation
AFTER UPDATE OF activated_at, deactivated_at ON {schema}.key_versions
FOR EACH ROW WHEN (
    NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL
    AND (OLD.activated_at IS NULL OR OLD.deactivated_at IS NOT NULL)
)
EXECUTE FUNCTION {schema}.record_key_version()
