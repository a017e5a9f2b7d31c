-- Clients cannot set a ceiling: a value written to these columns is recomputed.
CREATE TRIGGER record_key_version_ceilings_change
BEFORE UPDATE OF key_type, usage_ceiling, volume_ceiling ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.record_key_version_ceilings()
