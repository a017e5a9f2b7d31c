CREATE CONSTRAINT TRIGGER notify_key_master_change
AFTER UPDATE OF status ON {schema}.key_masters
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.status IS DISTINCT FROM OLD.status)
EXECUTE FUNCTION {schema}.notify_key_change()
