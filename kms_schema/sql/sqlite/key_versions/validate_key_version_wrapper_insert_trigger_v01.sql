-- Derived from the models by tools/derived_sql.py.
-- As validate_key_version_wrapper. A new version closes no circle: it wraps none.
CREATE TRIGGER validate_key_version_wrapper_insert
BEFORE INSERT ON key_versions
WHEN NEW.wrapped_by_version_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'fk_key_versions_wrapped_by_version_id_key_versions: there is no such version')
    WHERE NOT EXISTS (SELECT 1 FROM key_versions WHERE id = NEW.wrapped_by_version_id);
    SELECT RAISE(ABORT, 'validate_key_version_wrapper: the wrapper must be a version of a kek')
    WHERE NOT EXISTS (
        SELECT 1 FROM key_versions JOIN key_masters ON key_masters.id = key_versions.key_id
        WHERE key_versions.id = NEW.wrapped_by_version_id AND key_masters.key_type = 'kek'
    );
    SELECT RAISE(ABORT, 'validate_key_version_wrapper: the wrapper is a version of the same key')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE id = NEW.wrapped_by_version_id AND key_id = NEW.key_id);
    SELECT RAISE(ABORT, 'validate_key_version_wrapper: the wrapper is destroyed')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE id = NEW.wrapped_by_version_id AND destroyed_at IS NOT NULL);
END
