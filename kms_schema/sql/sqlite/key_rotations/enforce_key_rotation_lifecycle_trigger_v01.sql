-- Allowed changes of a rotation's status (kms_schema.vocabulary.ROTATION_LIFECYCLE), the worker that may complete it,
-- and the number of retries.
CREATE TRIGGER enforce_key_rotation_lifecycle
BEFORE UPDATE ON key_rotations
BEGIN
    SELECT CASE
        WHEN NEW.status IS OLD.status THEN NULL
        WHEN OLD.status = 'SCHEDULED' AND NEW.status IN ('RUNNING') THEN NULL
        WHEN OLD.status = 'RUNNING' AND NEW.status IN ('COMPLETED', 'FAILED') THEN NULL
        WHEN OLD.status = 'FAILED' AND NEW.status IN ('SCHEDULED') THEN NULL
        WHEN OLD.status = 'SCHEDULED' AND NEW.status = 'COMPLETED'
            THEN RAISE(ABORT, 'enforce_key_rotation_lifecycle: status may not change from SCHEDULED to COMPLETED')
        WHEN OLD.status = 'SCHEDULED' AND NEW.status = 'FAILED'
            THEN RAISE(ABORT, 'enforce_key_rotation_lifecycle: status may not change from SCHEDULED to FAILED')
        WHEN OLD.status = 'RUNNING' AND NEW.status = 'SCHEDULED'
            THEN RAISE(ABORT, 'enforce_key_rotation_lifecycle: status may not change from RUNNING to SCHEDULED')
        WHEN OLD.status = 'COMPLETED' AND NEW.status = 'SCHEDULED'
            THEN RAISE(ABORT, 'enforce_key_rotation_lifecycle: status may not change from COMPLETED to SCHEDULED')
        WHEN OLD.status = 'COMPLETED' AND NEW.status = 'RUNNING'
            THEN RAISE(ABORT, 'enforce_key_rotation_lifecycle: status may not change from COMPLETED to RUNNING')
        WHEN OLD.status = 'COMPLETED' AND NEW.status = 'FAILED'
            THEN RAISE(ABORT, 'enforce_key_rotation_lifecycle: status may not change from COMPLETED to FAILED')
        WHEN OLD.status = 'FAILED' AND NEW.status = 'RUNNING'
            THEN RAISE(ABORT, 'enforce_key_rotation_lifecycle: status may not change from FAILED to RUNNING')
        WHEN OLD.status = 'FAILED' AND NEW.status = 'COMPLETED'
            THEN RAISE(ABORT, 'enforce_key_rotation_lifecycle: status may not change from FAILED to COMPLETED')
        ELSE RAISE(ABORT, 'enforce_key_rotation_lifecycle: unknown status')
    END;
    SELECT RAISE(ABORT, 'enforce_key_rotation_lifecycle: no retries are left')
    WHERE OLD.status = 'FAILED' AND NEW.status = 'SCHEDULED' AND OLD.retry_count >= NEW.max_retries;
    SELECT RAISE(ABORT, 'enforce_key_rotation_lifecycle: a retry may not change failed_at, the time of the last failure')
    WHERE OLD.status = 'FAILED' AND NEW.status = 'SCHEDULED' AND NEW.failed_at IS NOT OLD.failed_at;
    SELECT RAISE(ABORT, 'enforce_key_rotation_lifecycle: failed_at may not be cleared: it is the time of the last failure')
    WHERE NEW.failed_at IS NULL AND OLD.failed_at IS NOT NULL AND NEW.status <> 'FAILED'; -- …_fill covers FAILED
    SELECT RAISE(ABORT, 'enforce_key_rotation_lifecycle: an ended rotation keeps claimed_by')
    WHERE OLD.status IN ('COMPLETED', 'FAILED') AND NEW.status = OLD.status
        AND OLD.claimed_by IS NOT NULL AND NEW.claimed_by IS NOT OLD.claimed_by;
    SELECT RAISE(ABORT, 'enforce_key_rotation_lifecycle: a retry that clears started_at itself must also add one to retry_count')
    WHERE OLD.status = 'FAILED' AND NEW.status = 'SCHEDULED' AND NEW.retry_count = OLD.retry_count AND NEW.started_at IS NULL;
    SELECT RAISE(ABORT, 'enforce_key_rotation_lifecycle: retry_count may not change: only a retry adds one')
    WHERE NEW.retry_count <> OLD.retry_count AND NOT (
        NEW.retry_count = OLD.retry_count + 1 AND (OLD.status = 'FAILED' AND NEW.status = 'SCHEDULED' OR (
            -- within enforce_key_rotation_lifecycle_fill: no statement ends in this state
            OLD.status = 'SCHEDULED' AND OLD.started_at IS NOT NULL
        ))
    );
    SELECT RAISE(ABORT, 'enforce_key_rotation_lifecycle: it is claimed by another worker, whose lease has not expired')
    WHERE OLD.status = 'RUNNING' AND NEW.status = 'RUNNING'
        AND OLD.claimed_by IS NOT NULL AND NEW.claimed_by IS NOT OLD.claimed_by
        AND (OLD.lease_expires_at IS NULL OR OLD.lease_expires_at > strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z');
    SELECT RAISE(ABORT, 'enforce_key_rotation_lifecycle: only its worker may complete or fail it')
    WHERE OLD.status = 'RUNNING' AND NEW.status IN ('COMPLETED', 'FAILED') AND NEW.claimed_by IS NOT OLD.claimed_by;
END
