SELECT key_id, 'it has no reason' AS problem
FROM {schema}.key_masters
WHERE revoked_at >= {start} AND revoked_at < {end} AND coalesce(trim(status_reason), '') = ''
UNION ALL
SELECT master.key_id, 'version ' || live.version_number || ' is live'
FROM {schema}.key_masters AS master JOIN {schema}.key_versions AS live ON live.key_id = master.id
WHERE master.revoked_at IS NOT NULL AND live.activated_at IS NOT NULL AND live.deactivated_at IS NULL
ORDER BY 1, 2
