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
