SELECT rotation.id, rotation."trigger" AS "trigger", rotation.trigger_details, rotation.old_version,
    rotation.new_version, rotation.status, rotation.retry_count, rotation.max_retries, rotation.next_retry_at,
    rotation.claimed_by, rotation.lease_expires_at, master.id AS key_master_id, master.key_id AS key_id,
    {part(live_version, master.id)} AS live_version
FROM {schema}.key_rotations AS rotation JOIN {schema}.key_masters AS master ON master.id = rotation.key_id
WHERE rotation.id = %(id)s
