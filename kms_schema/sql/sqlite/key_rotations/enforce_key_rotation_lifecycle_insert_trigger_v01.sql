-- The times of a rotation in each status. PostgreSQL has a CHECK; on SQLite it would run before
-- enforce_key_rotation_lifecycle_fill has filled in the times.
CREATE TRIGGER enforce_key_rotation_lifecycle_insert
BEFORE INSERT ON key_rotations
BEGIN
    SELECT RAISE(ABORT, 'ck_key_rotations_times_agree_with_status: the times do not agree with the status')
    WHERE CASE NEW.status
        WHEN 'SCHEDULED' THEN NEW.started_at IS NULL AND NEW.completed_at IS NULL
        WHEN 'RUNNING' THEN NEW.started_at IS NOT NULL AND NEW.completed_at IS NULL
        WHEN 'COMPLETED' THEN NEW.started_at IS NOT NULL AND NEW.completed_at IS NOT NULL AND NEW.completed_at >= NEW.started_at
        WHEN 'FAILED' THEN NEW.started_at IS NOT NULL AND NEW.failed_at IS NOT NULL AND NEW.failed_at >= NEW.started_at AND NEW.completed_at IS NULL
    END = 0;
END
