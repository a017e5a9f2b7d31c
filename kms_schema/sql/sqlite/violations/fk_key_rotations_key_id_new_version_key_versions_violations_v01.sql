-- Derived from the models by tools/derived_sql.py.
-- Rotations to a version that their key does not have: written while foreign keys were disabled.
SELECT
    'key_rotations' AS table_name,
    rotation.id AS row_id,
    'rotation of ' || coalesce(master.key_id, rotation.key_id) || ' scheduled at ' || rotation.scheduled_at AS row_name,
    'goes to version ' || rotation.new_version || ', which its key does not have' AS problem
FROM {schema}.key_rotations AS rotation
LEFT JOIN {schema}.key_versions AS version
    ON version.key_id = rotation.key_id AND version.version_number = rotation.new_version
LEFT JOIN {schema}.key_masters AS master ON master.id = rotation.key_id
WHERE rotation.new_version IS NOT NULL AND version.id IS NULL
