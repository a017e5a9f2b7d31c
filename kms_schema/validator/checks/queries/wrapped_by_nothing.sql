-- The rules of wrappers name a version whose own wrapper is wrong. Only versions that wrap others can pass this on:
-- they are few, and the query follows them from the top downwards, each once.
WITH RECURSIVE link (id, wrapper_id, key_id, name, may_wrap, kept, is_top) AS MATERIALIZED (
    SELECT version.id, version.wrapped_by_version_id, version.key_id,
        coalesce(master.key_id, CAST(version.key_id AS text)) || ' v' || CAST(version.version_number AS text),
        version.destroyed_at IS NULL AND master.key_type = 'kek',
        version.encrypted_key_data IS NOT NULL,
        version.encrypted_key_data IS NOT NULL AND version.wrapping_key_ref IS NOT NULL
            OR version.destroyed_at IS NULL AND master.hsm_key_id IS NOT NULL
    FROM {schema}.key_versions AS version LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
    WHERE version.id IN (
            SELECT wrapped_by_version_id FROM {schema}.key_versions WHERE wrapped_by_version_id IS NOT NULL
        )
),
opened (id) AS (
    SELECT id FROM link WHERE is_top
    UNION
    SELECT link.id FROM opened JOIN link ON link.wrapper_id = opened.id WHERE link.kept
),
lost (id, wrapper_id, key_id, name, may_wrap) AS (
    SELECT link.id, link.wrapper_id, link.key_id, link.name, link.may_wrap
    FROM link LEFT JOIN opened ON opened.id = link.id WHERE opened.id IS NULL
),
walk (id, reached) AS (
    SELECT id, wrapper_id FROM lost
    UNION
    SELECT walk.id, lost.wrapper_id FROM walk JOIN lost ON lost.id = walk.reached
),
circle (id) AS (SELECT id FROM walk WHERE id = reached)
SELECT {part(version_name)} AS name, 'is wrapped by ' || lost.name
    || ', and no wrapper leads from there to a root key or an HSM' AS problem
FROM lost
JOIN {schema}.key_versions AS version ON version.wrapped_by_version_id = lost.id
LEFT JOIN circle ON circle.id = version.id
LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE version.encrypted_key_data IS NOT NULL AND version.wrapping_key_ref IS NULL
    AND lost.may_wrap AND lost.key_id <> version.key_id AND circle.id IS NULL
