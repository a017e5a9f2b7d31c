-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_key_rotation_insert
AFTER INSERT ON {schema}.key_rotations
FOR EACH ROW EXECUTE FUNCTION {schema}.audit_key_change(
    'ROTATION', 'LIFECYCLE',
    '{trigger, scheduled_at, started_at, completed_at, failed_at, old_version, new_version, status, retry_count,
     max_retries, claimed_by, rollback_available}',
    '{trigger_details, error_message, pre_rotation_checksum, post_rotation_checksum}'
)
