-- Versions whose key does not exist: written or orphaned while foreign keys were disabled.
SELECT
    'key_versions' AS table_name,
    CAST(version.id AS text) AS row_id,
    CAST(version.key_id AS text) || ' v' || CAST(version.version_number AS text) AS row_name,
    'is of the key ' || CAST(version.key_id AS text) || ', and there is no such key' AS problem
FROM {schema}.key_versions AS version
LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE master.id IS NULL
