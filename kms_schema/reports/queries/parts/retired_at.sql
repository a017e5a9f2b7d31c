-- The status of an archived key says nothing about what it was before. An active key has rotated_at too.
{earliest(master.expired_at, master.revoked_at, master.archived_at,
        CASE master.status WHEN 'rotated' THEN master.rotated_at END)}
