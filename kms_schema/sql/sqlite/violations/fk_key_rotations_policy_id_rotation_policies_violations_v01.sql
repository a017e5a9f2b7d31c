-- Rotations whose policy does not exist: it was deleted while foreign keys were disabled.
SELECT
    'key_rotations' AS table_name,
    rotation.id AS row_id,
    'rotation of ' || coalesce(master.key_id, rotation.key_id) || ' scheduled at ' || rotation.scheduled_at AS row_name,
    'is by the policy ' || rotation.policy_id || ', and there is no such policy' AS problem
FROM {schema}.key_rotations AS rotation
LEFT JOIN {schema}.rotation_policies AS policy ON policy.id = rotation.policy_id
LEFT JOIN {schema}.key_masters AS master ON master.id = rotation.key_id
WHERE rotation.policy_id IS NOT NULL AND policy.id IS NULL
