-- Derived from the models by tools/derived_sql.py.
-- Counting use and bookkeeping are no changes of state: they update none of these columns and do not fire this trigger.
CREATE TRIGGER audit_key_rotation_update
AFTER UPDATE OF
    claimed_by, completed_at, error_message, failed_at, max_retries, new_version, old_version, post_rotation_checksum,
    pre_rotation_checksum, rollback_available, scheduled_at, started_at, status, "trigger", trigger_details
ON {schema}.key_rotations
FOR EACH ROW WHEN (
    OLD.claimed_by IS DISTINCT FROM NEW.claimed_by OR OLD.completed_at IS DISTINCT FROM NEW.completed_at
    OR OLD.error_message IS DISTINCT FROM NEW.error_message OR OLD.failed_at IS DISTINCT FROM NEW.failed_at
    OR OLD.max_retries IS DISTINCT FROM NEW.max_retries OR OLD.new_version IS DISTINCT FROM NEW.new_version
    OR OLD.old_version IS DISTINCT FROM NEW.old_version
    OR OLD.post_rotation_checksum IS DISTINCT FROM NEW.post_rotation_checksum
    OR OLD.pre_rotation_checksum IS DISTINCT FROM NEW.pre_rotation_checksum
    OR OLD.rollback_available IS DISTINCT FROM NEW.rollback_available
    OR OLD.scheduled_at IS DISTINCT FROM NEW.scheduled_at OR OLD.started_at IS DISTINCT FROM NEW.started_at
    OR OLD.status IS DISTINCT FROM NEW.status OR OLD."trigger" IS DISTINCT FROM NEW."trigger"
    OR OLD.trigger_details IS DISTINCT FROM NEW.trigger_details
)
EXECUTE FUNCTION {schema}.audit_key_change(
    'ROTATION', 'LIFECYCLE',
    '{trigger, scheduled_at, started_at, completed_at, failed_at, old_version, new_version, status, retry_count,
     max_retries, claimed_by, rollback_available}',
    '{trigger_details, error_message, pre_rotation_checksum, post_rotation_checksum}'
)
