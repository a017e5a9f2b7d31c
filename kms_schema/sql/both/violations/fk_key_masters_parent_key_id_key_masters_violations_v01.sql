-- Keys whose parent does not exist: written or orphaned while foreign keys were disabled.
SELECT
    'key_masters' AS table_name,
    CAST(child.id AS text) AS row_id,
    child.key_id AS row_name,
    'has the parent ''' || child.parent_key_id || ''', and there is no such key' AS problem
FROM {schema}.key_masters AS child
LEFT JOIN {schema}.key_masters AS parent ON parent.key_id = child.parent_key_id
WHERE child.parent_key_id IS NOT NULL AND parent.key_id IS NULL
