-- A version is wrapped by an undestroyed version of another key, a KEK, and no chain of wrappers closes a circle (its
-- keys could never be decrypted).
CREATE TRIGGER validate_key_version_wrapper
BEFORE UPDATE OF wrapped_by_version_id ON key_versions
WHEN NEW.wrapped_by_version_id IS NOT NULL AND NEW.wrapped_by_version_id IS NOT OLD.wrapped_by_version_id
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
    SELECT RAISE(ABORT, 'validate_key_version_wrapper: the wrappers would close a circle')
    WHERE NEW.id IN (
        WITH RECURSIVE chain (link) AS (
            SELECT NEW.wrapped_by_version_id
            UNION
            SELECT key_versions.wrapped_by_version_id
            FROM chain JOIN key_versions ON key_versions.id = chain.link
            WHERE key_versions.wrapped_by_version_id IS NOT NULL
        )
        SELECT link FROM chain
    );
END
