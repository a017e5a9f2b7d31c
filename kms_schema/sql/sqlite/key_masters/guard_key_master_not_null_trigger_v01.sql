-- Under OR REPLACE, SQLite puts the default in the place of a NULL, and does so after the other guards have looked:
-- a counter would fall to 0, a date of creation move.
CREATE TRIGGER guard_key_master_not_null
BEFORE UPDATE OF
    id, status, created_at, usage_count, security_level, updated_at
ON key_masters
WHEN NEW.id IS NULL OR NEW.status IS NULL OR NEW.created_at IS NULL OR NEW.usage_count IS NULL OR
    NEW.security_level IS NULL OR NEW.updated_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'guard_key_master_not_null: a column with a default may not be given as NULL');
END
