WITH {part(recorded_ends)}
SELECT master.key_id, version.version_number, 'it still has a handle' AS problem
FROM {schema}.key_versions AS version JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE version.destroyed_at >= {start} AND version.destroyed_at < {end} AND version.hsm_key_id IS NOT NULL
UNION ALL
SELECT master.key_id, version.version_number, 'it still wraps a version'
FROM {schema}.key_versions AS version JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE version.destroyed_at >= {start} AND version.destroyed_at < {end} AND EXISTS (
    SELECT 1 FROM {schema}.key_versions AS dependent
    WHERE dependent.wrapped_by_version_id = version.id AND dependent.destroyed_at IS NULL
)
UNION ALL
SELECT master.key_id, version.version_number, 'it has no entry VERSION_DESTROYED'
FROM {schema}.key_versions AS version JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE {part(destroyed_unrecorded)}
ORDER BY 1, 2
