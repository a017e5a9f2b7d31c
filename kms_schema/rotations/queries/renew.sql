UPDATE {schema}.key_rotations SET lease_expires_at = {clock_after(%(seconds)s)}
WHERE id = %(id)s AND {part(claimed)}
