-- A key ring reserves at most 65,536 uses and 64 GiB at once. More in one statement is no ordinary use: its entry is an
-- incident, which makes the key due. The condition is all that ordinary counting pays.
CREATE TRIGGER audit_key_version_count_update
AFTER UPDATE OF usage_count, data_volume_bytes ON {schema}.key_versions
FOR EACH ROW WHEN (
    NEW.usage_count > OLD.usage_count + 65536 OR NEW.data_volume_bytes > OLD.data_volume_bytes + 68719476736
)
EXECUTE FUNCTION {schema}.audit_key_change('VERSION_COUNT', 'SECURITY', '{usage_count, data_volume_bytes}', '{}')
