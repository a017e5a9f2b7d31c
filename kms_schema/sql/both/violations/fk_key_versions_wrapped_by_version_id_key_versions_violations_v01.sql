-- Versions whose wrapper does not exist (unreadable unless destroyed): it was deleted while foreign keys were disabled.
SELECT
    'key_versions' AS table_name,
    CAST(version.id AS text) AS row_id,
    coalesce(master.key_id, CAST(version.key_id AS text)) || ' v' || CAST(version.version_number AS text) AS row_name,
    'is wrapped by ' || CAST(version.wrapped_by_version_id AS text) || ', and there is no such version' AS problem
FROM {schema}.key_versions AS version
LEFT JOIN {schema}.key_versions AS wrapper ON wrapper.id = version.wrapped_by_version_id
LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE version.wrapped_by_version_id IS NOT NULL AND wrapper.id IS NULL
