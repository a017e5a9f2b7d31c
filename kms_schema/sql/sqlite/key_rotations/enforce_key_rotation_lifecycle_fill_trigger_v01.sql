-- Fills in times that the caller did not give (a BEFORE trigger cannot), resets a retry, and then checks the result: an
-- UPDATE in a trigger inherits OR IGNORE and may have changed nothing.
CREATE TRIGGER enforce_key_rotation_lifecycle_fill
AFTER UPDATE OF status, started_at, completed_at, failed_at ON key_rotations
BEGIN
    UPDATE key_rotations SET
        started_at = CASE NEW.status
            WHEN 'RUNNING' THEN coalesce(started_at, strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
            WHEN 'SCHEDULED' THEN NULL
            ELSE started_at
        END,
        completed_at = CASE NEW.status
            WHEN 'COMPLETED' THEN coalesce(completed_at, max(strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z', started_at))
            ELSE completed_at
        END,
        failed_at = CASE
            WHEN NEW.status = 'FAILED' AND NEW.failed_at IS OLD.failed_at
                THEN max(strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z', started_at)
            ELSE failed_at
        END,
        retry_count = CASE NEW.status WHEN 'SCHEDULED' THEN OLD.retry_count + 1 ELSE retry_count END,
        claimed_by = CASE NEW.status WHEN 'SCHEDULED' THEN NULL ELSE claimed_by END,
        lease_expires_at = CASE NEW.status WHEN 'SCHEDULED' THEN NULL ELSE lease_expires_at END
    WHERE id = NEW.id AND NEW.status <> OLD.status;
    SELECT RAISE(ABORT, 'ck_key_rotations_times_agree_with_status: the times do not agree with the status')
    WHERE EXISTS (
        SELECT 1 FROM key_rotations WHERE id = NEW.id AND CASE status
            WHEN 'SCHEDULED' THEN started_at IS NULL AND completed_at IS NULL
            WHEN 'RUNNING' THEN started_at IS NOT NULL AND completed_at IS NULL
            WHEN 'COMPLETED' THEN started_at IS NOT NULL AND completed_at IS NOT NULL AND completed_at >= started_at
            WHEN 'FAILED' THEN started_at IS NOT NULL AND failed_at IS NOT NULL AND failed_at >= started_at AND completed_at IS NULL
        END = 0
    );
    SELECT RAISE(ABORT, 'enforce_key_rotation_lifecycle: retry_count may not change: only a retry adds one')
    WHERE OLD.status = 'FAILED' AND NEW.status = 'SCHEDULED'
        AND (SELECT retry_count FROM key_rotations WHERE id = NEW.id) <> OLD.retry_count + 1;
END
