-- A version is not destroyed while anything is wrapped by it: that would destroy those keys as well.
-- BETWEEN, since after ANALYZE of a file where all are wrapped under one wrapper SQLite would read everything to look for
-- what is equal to another.
CREATE TRIGGER prevent_key_version_destruction
BEFORE UPDATE OF destroyed_at ON key_versions
WHEN NEW.destroyed_at IS NOT NULL AND OLD.destroyed_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_version_destruction: the version still wraps others: rewrap or destroy those first')
    WHERE EXISTS (
        SELECT 1 FROM key_versions WHERE wrapped_by_version_id BETWEEN NEW.id AND NEW.id AND destroyed_at IS NULL
    );
END
