-- Rotations whose key does not exist: written or orphaned while foreign keys were disabled.
SELECT
    'key_rotations' AS table_name,
    rotation.id AS row_id,
    'rotation scheduled at ' || rotation.scheduled_at AS row_name,
    'is of the key ' || rotation.key_id || ', and there is no such key' AS problem
FROM {schema}.key_rotations AS rotation
LEFT JOIN {schema}.key_masters AS master ON master.id = rotation.key_id
WHERE master.id IS NULL
