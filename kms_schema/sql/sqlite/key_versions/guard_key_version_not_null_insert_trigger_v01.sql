-- Under OR REPLACE, SQLite puts the default in the place of a NULL, and does so after the other guards have looked:
-- a counter would fall to 0, a date of creation move.
CREATE TRIGGER guard_key_version_not_null_insert
BEFORE INSERT ON key_versions
WHEN NEW.id IS NULL OR NEW.created_at IS NULL OR NEW.usage_count IS NULL OR NEW.data_volume_bytes IS NULL
BEGIN
    SELECT RAISE(ABORT, 'guard_key_version_not_null: a column with a default may not be given as NULL');
END
