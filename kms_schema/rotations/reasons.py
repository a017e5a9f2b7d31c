"""Parts of SQL that the statements of both engines share."""

TRIGGER_OF_REASON = """CASE due.reason
        WHEN 'usage' THEN 'usage_count'
        WHEN 'volume' THEN 'data_volume'
        WHEN 'incident' THEN 'security_incident'
        WHEN 'compliance' THEN 'compliance'
        ELSE 'scheduled'
    END"""
"""`key_rotations.trigger` for a reason of `rotations_due`; time, age and expiry are `scheduled`."""

PENDING = "status = 'FAILED' AND next_retry_at IS NOT NULL AND retry_count < max_retries"
"""A failed rotation with a pending retry: the predicate of `idx_key_rotations_retry_partial`."""

LIVE = "live.activated_at IS NOT NULL AND live.deactivated_at IS NULL"

OF_POLICY = "policy.policy_name, policy.rotation_window_start, policy.rotation_window_end, policy.timezone"
"""The columns of a policy with which `Window` is made."""

LISTED = f"""rotation.id, master.key_id AS key_id, rotation."trigger" AS "trigger", rotation.status,
        {OF_POLICY}, rotation.scheduled_at,
        CASE rotation.status WHEN 'COMPLETED' THEN rotation.completed_at ELSE rotation.failed_at END AS ended_at,
        CASE WHEN rotation.retry_count < rotation.max_retries THEN rotation.next_retry_at END AS next_retry_at,
        rotation.retry_count, rotation.max_retries, rotation.claimed_by, rotation.lease_expires_at,
        rotation.old_version, rotation.new_version, rotation.error_message"""
"""The columns of a rotation in a list."""
