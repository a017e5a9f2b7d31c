-- No process knows a key before its first version, so an import of many keys sends nothing.
CREATE CONSTRAINT TRIGGER notify_key_version_insert
AFTER INSERT ON {schema}.key_versions
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.version_number > 1 AND NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL)
EXECUTE FUNCTION {schema}.notify_key_change()
