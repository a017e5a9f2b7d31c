-- A valid lease.
status = 'RUNNING' AND claimed_by = %(claimed_by)s AND lease_expires_at > {clock()}
