-- created <= activated <= deactivated <= destroyed, and only what was live can have ended.
SELECT
    'key_versions' AS table_name,
    CAST(version.id AS text) AS row_id,
    coalesce(master.key_id, CAST(version.key_id AS text)) || ' v' || CAST(version.version_number AS text) AS row_name,
    version.fault || ' (created_at ' || CAST(version.created_at AS text)
        || ', activated_at ' || coalesce(CAST(version.activated_at AS text), 'null')
        || ', deactivated_at ' || coalesce(CAST(version.deactivated_at AS text), 'null')
        || ', destroyed_at ' || coalesce(CAST(version.destroyed_at AS text), 'null') || ')' AS problem
FROM (
    SELECT
        id, key_id, version_number, created_at, activated_at, deactivated_at, destroyed_at,
        CASE
            WHEN activated_at < created_at THEN 'was activated before it was created'
            WHEN deactivated_at < activated_at THEN 'was deactivated before it was activated'
            WHEN deactivated_at IS NOT NULL AND activated_at IS NULL THEN 'was deactivated and never activated'
            WHEN destroyed_at IS NOT NULL AND activated_at IS NOT NULL AND deactivated_at IS NULL
                THEN 'is live and destroyed'
            WHEN destroyed_at < deactivated_at THEN 'was destroyed before it was deactivated'
            WHEN destroyed_at < created_at THEN 'was destroyed before it was created'
        END AS fault
    FROM {schema}.key_versions
) AS version
LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE version.fault IS NOT NULL
