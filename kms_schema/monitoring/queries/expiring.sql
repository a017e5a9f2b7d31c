SELECT id, key_id, key_type, CASE WHEN expires_at > %(now)s THEN 'expiring' ELSE 'expired' END AS about,
    {epoch(expires_at)} AS measure, 1 = 1 AS shown
FROM {schema}.key_masters {indexed_by(idx_key_masters_expiring_partial)}
WHERE status = 'active' AND expires_at <= %(until)s
