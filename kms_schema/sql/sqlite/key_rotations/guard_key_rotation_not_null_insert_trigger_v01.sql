-- Derived from the models by tools/derived_sql.py.
-- OR REPLACE replaces a NULL with the column's default after the other guard triggers have run: a counter would be
-- reset to 0, a creation time would change.
CREATE TRIGGER guard_key_rotation_not_null_insert
BEFORE INSERT ON key_rotations
WHEN NEW.id IS NULL OR NEW.scheduled_at IS NULL OR NEW.status IS NULL OR NEW.retry_count IS NULL
    OR NEW.max_retries IS NULL OR NEW.rollback_available IS NULL
BEGIN
    SELECT RAISE(ABORT, 'guard_key_rotation_not_null: a column with a default may not be given as NULL');
END
