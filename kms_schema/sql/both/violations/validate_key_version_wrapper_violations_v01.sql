-- Versions with an invalid wrapper, and versions in a circle of wrappers (not their dependents, which are readable
-- again once the circle is resolved). A destroyed version may name a destroyed wrapper, as history.
WITH RECURSIVE link (id, wrapper_id) AS MATERIALIZED (
    -- Only a version that is wrapped and wraps others can be in a circle: few of all versions.
    SELECT id, wrapped_by_version_id
    FROM {schema}.key_versions
    WHERE wrapped_by_version_id IS NOT NULL
        AND id IN (SELECT wrapped_by_version_id FROM {schema}.key_versions WHERE wrapped_by_version_id IS NOT NULL)
),
sound (id) AS (
    -- From the roots down: this visits each once and terminates, because no circle is below a root.
    SELECT link.id
    FROM link LEFT JOIN link AS above ON above.id = link.wrapper_id
    WHERE above.id IS NULL
    UNION ALL
    SELECT link.id
    FROM sound JOIN link ON link.wrapper_id = sound.id
),
suspect (id, wrapper_id) AS (
    SELECT link.id, link.wrapper_id
    FROM link LEFT JOIN sound ON sound.id = link.id
    WHERE sound.id IS NULL
),
walk (id, reached) AS (
    -- UNION: a repeated pair ends the recursion.
    SELECT id, wrapper_id FROM suspect
    UNION
    SELECT walk.id, suspect.wrapper_id
    FROM walk JOIN suspect ON suspect.id = walk.reached
),
circle (id, length) AS (
    SELECT id, count(*) FROM walk GROUP BY id HAVING max(CASE WHEN reached = id THEN 1 ELSE 0 END) = 1
),
judged AS (
    SELECT
        version.id, version.key_id, version.version_number,
        wrapper.key_id AS wrapping_key, wrapper.version_number AS wrapper_number,
        CASE
            WHEN wrapper.id = version.id THEN 'itself'
            WHEN circle.id IS NOT NULL
                THEN 'in a circle of ' || CAST(circle.length AS text) || ' versions, each wrapped by another'
            WHEN wrapper.key_id = version.key_id THEN 'a version of the same key'
            WHEN wrapping.key_type <> 'kek' THEN 'a version of a ' || wrapping.key_type || ' key, and not of a kek'
            WHEN wrapper.destroyed_at IS NOT NULL AND version.destroyed_at IS NULL
                THEN 'which was destroyed at ' || CAST(wrapper.destroyed_at AS text)
        END AS fault
    FROM {schema}.key_versions AS version
    JOIN {schema}.key_versions AS wrapper ON wrapper.id = version.wrapped_by_version_id
    LEFT JOIN {schema}.key_masters AS wrapping ON wrapping.id = wrapper.key_id
    LEFT JOIN circle ON circle.id = version.id
)
SELECT
    'key_versions' AS table_name,
    CAST(judged.id AS text) AS row_id,
    coalesce(master.key_id, CAST(judged.key_id AS text)) || ' v' || CAST(judged.version_number AS text) AS row_name,
    'is wrapped by ' || coalesce(wrapping.key_id, CAST(judged.wrapping_key AS text))
        || ' v' || CAST(judged.wrapper_number AS text) || ', ' || judged.fault AS problem
FROM judged
LEFT JOIN {schema}.key_masters AS master ON master.id = judged.key_id
LEFT JOIN {schema}.key_masters AS wrapping ON wrapping.id = judged.wrapping_key
WHERE judged.fault IS NOT NULL
