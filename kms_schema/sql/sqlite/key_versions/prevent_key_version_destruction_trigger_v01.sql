-- A version cannot be destroyed while it wraps others: that would destroy those keys as well. BETWEEN instead of =:
-- after ANALYZE of a file in which one version wraps all others, SQLite would scan the table to find any other value.
CREATE TRIGGER prevent_key_version_destruction
BEFORE UPDATE OF destroyed_at ON key_versions
WHEN NEW.destroyed_at IS NOT NULL AND OLD.destroyed_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'prevent_key_version_destruction: the version still wraps others: rewrap or destroy those first')
    WHERE EXISTS (
        SELECT 1 FROM key_versions WHERE wrapped_by_version_id BETWEEN NEW.id AND NEW.id AND destroyed_at IS NULL
    );
END
