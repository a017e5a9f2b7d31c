-- Live versions of revoked keys. Expired and archived keys may keep their live version for decryption, and its row does
-- not show the key's status at its activation.
SELECT
    'key_versions' AS table_name,
    CAST(version.id AS text) AS row_id,
    master.key_id || ' v' || CAST(version.version_number AS text) AS row_name,
    'is live, and its key was revoked at ' || CAST(master.revoked_at AS text) AS problem
FROM {schema}.key_versions AS version
JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE version.activated_at IS NOT NULL AND version.deactivated_at IS NULL AND master.status = 'revoked'
