-- A health check that finds the same health as before writes no entry: checks are frequent.
CREATE TRIGGER audit_hsm_health_update
AFTER UPDATE OF health_status ON {schema}.hsm_configurations
FOR EACH ROW WHEN (OLD.health_status IS DISTINCT FROM NEW.health_status)
EXECUTE FUNCTION {schema}.audit_key_change('HSM', 'SECURITY', '{health_status}', '{}')
