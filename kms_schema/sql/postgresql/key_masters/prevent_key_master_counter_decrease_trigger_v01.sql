CREATE TRIGGER prevent_key_master_counter_decrease
BEFORE UPDATE OF usage_count ON {schema}.key_masters
FOR EACH ROW WHEN (NEW.usage_count < OLD.usage_count)
EXECUTE FUNCTION {schema}.prevent_counter_decrease('usage_count')
