SELECT count(*) AS rotations_of_active_keys
FROM {schema}.key_rotations AS rotation JOIN {schema}.key_masters AS master ON master.id = rotation.key_id
WHERE master.status = 'active' AND rotation.status IN ('COMPLETED', 'FAILED')
