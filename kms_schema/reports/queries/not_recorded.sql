WITH {part(recorded_ends)},
recorded_revocation AS MATERIALIZED (
    SELECT master.id FROM recorded_end AS entry JOIN {schema}.key_masters AS master ON master.id = entry.key_id
    WHERE entry.event_type = 'KEY_REVOKED' AND entry.at > {hours_after(master.revoked_at, -24)}
        AND entry.at < {hours_after(master.revoked_at, 24)}
)
SELECT master.key_id, 'revoked without an entry KEY_REVOKED' AS problem
FROM {schema}.key_masters AS master
WHERE master.revoked_at >= {recorded_from} AND master.revoked_at < {end} AND master.revoked_at > master.created_at
    AND master.id NOT IN (SELECT id FROM recorded_revocation)
UNION ALL
SELECT master.key_id, 'version ' || version.version_number || ' destroyed without an entry VERSION_DESTROYED'
FROM {schema}.key_versions AS version JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE {part(destroyed_unrecorded)}
ORDER BY 1, 2
