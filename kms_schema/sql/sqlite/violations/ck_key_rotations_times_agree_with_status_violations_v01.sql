-- PostgreSQL has a CHECK; SQLite has triggers, because a time may be filled in after the CHECKs.
SELECT
    'key_rotations' AS table_name,
    rotation.id AS row_id,
    'rotation of ' || coalesce(master.key_id, rotation.key_id) || ' scheduled at ' || rotation.scheduled_at AS row_name,
    'is ' || rotation.status || ', and its times say otherwise (started_at ' || coalesce(rotation.started_at, 'null')
        || ', completed_at ' || coalesce(rotation.completed_at, 'null')
        || ', failed_at ' || coalesce(rotation.failed_at, 'null') || ')' AS problem
FROM {schema}.key_rotations AS rotation
LEFT JOIN {schema}.key_masters AS master ON master.id = rotation.key_id
WHERE CASE rotation.status
    WHEN 'SCHEDULED' THEN rotation.started_at IS NULL AND rotation.completed_at IS NULL
    WHEN 'RUNNING' THEN rotation.started_at IS NOT NULL AND rotation.completed_at IS NULL
    WHEN 'COMPLETED' THEN rotation.started_at IS NOT NULL AND rotation.completed_at IS NOT NULL
        AND rotation.completed_at >= rotation.started_at
    WHEN 'FAILED' THEN rotation.started_at IS NOT NULL AND rotation.failed_at IS NOT NULL
        AND rotation.failed_at >= rotation.started_at AND rotation.completed_at IS NULL
END = 0
