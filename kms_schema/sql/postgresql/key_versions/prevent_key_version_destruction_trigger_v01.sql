CREATE TRIGGER prevent_key_version_destruction
BEFORE UPDATE OF destroyed_at ON {schema}.key_versions
FOR EACH ROW WHEN (NEW.destroyed_at IS NOT NULL AND OLD.destroyed_at IS NULL)
EXECUTE FUNCTION {schema}.prevent_key_version_destruction()
