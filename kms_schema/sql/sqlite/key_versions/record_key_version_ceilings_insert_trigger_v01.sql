-- A new version gets its ceilings; see record_key_version_ceilings_change.
CREATE TRIGGER record_key_version_ceilings_insert
AFTER INSERT ON key_versions
BEGIN
    UPDATE key_versions SET usage_ceiling = NULL WHERE id = NEW.id;
END
