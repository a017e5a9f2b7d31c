-- Derived from the models by tools/derived_sql.py.
-- OR REPLACE replaces a NULL with the column's default after the other guard triggers have run: a counter would be
-- reset to 0, a creation time would change.
CREATE TRIGGER guard_key_version_not_null
BEFORE UPDATE OF
    id, created_at, usage_count, data_volume_bytes, ciphertext_tag
ON key_versions
WHEN NEW.id IS NULL OR NEW.created_at IS NULL OR NEW.usage_count IS NULL OR NEW.data_volume_bytes IS NULL
    OR NEW.ciphertext_tag IS NULL
BEGIN
    SELECT RAISE(ABORT, 'guard_key_version_not_null: a column with a default may not be given as NULL');
END
