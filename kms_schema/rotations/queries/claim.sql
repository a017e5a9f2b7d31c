-- The clock instead of now: the surrounding transaction may have begun long before the lease expired.
UPDATE {schema}.key_rotations AS rotation
SET status = 'RUNNING', claimed_by = %(claimed_by)s, lease_expires_at = {clock_after(%(seconds)s)},
    old_version = coalesce(old_version, {part(live_version, rotation.key_id)})
WHERE id = %(id)s
