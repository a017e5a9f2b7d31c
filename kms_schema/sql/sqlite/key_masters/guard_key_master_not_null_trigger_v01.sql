-- Derived from the models by tools/derived_sql.py.
-- OR REPLACE replaces a NULL with the column's default after the other guard triggers have run: a counter would be
-- reset to 0, a creation time would change.
CREATE TRIGGER guard_key_master_not_null
BEFORE UPDATE OF
    id, status, created_at, usage_count, security_level, updated_at
ON key_masters
WHEN NEW.id IS NULL OR NEW.status IS NULL OR NEW.created_at IS NULL OR NEW.usage_count IS NULL
    OR NEW.security_level IS NULL OR NEW.updated_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'guard_key_master_not_null: a column with a default may not be given as NULL');
END
