CREATE CONSTRAINT TRIGGER notify_key_version_change
AFTER UPDATE OF activated_at, deactivated_at, destroyed_at ON {schema}.key_versions
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (
    NEW.activated_at IS DISTINCT FROM OLD.activated_at OR NEW.deactivated_at IS DISTINCT FROM OLD.deactivated_at
    OR NEW.destroyed_at IS DISTINCT FROM OLD.destroyed_at
)
EXECUTE FUNCTION {schema}.notify_key_change()
