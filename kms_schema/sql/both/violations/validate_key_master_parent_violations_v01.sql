-- Keys whose parent cannot wrap others, and keys in a circle of parents (not their descendants).
WITH RECURSIVE link (key_id, parent_key_id) AS MATERIALIZED (
    -- Only a key that has a parent and is one can be in a circle: few of all keys.
    SELECT key_id, parent_key_id
    FROM {schema}.key_masters
    WHERE parent_key_id IS NOT NULL
        AND key_id IN (SELECT parent_key_id FROM {schema}.key_masters WHERE parent_key_id IS NOT NULL)
),
sound (key_id) AS (
    -- From the roots down: this visits each once and terminates, because no circle is below a root.
    SELECT link.key_id
    FROM link LEFT JOIN link AS above ON above.key_id = link.parent_key_id
    WHERE above.key_id IS NULL
    UNION ALL
    SELECT link.key_id
    FROM sound JOIN link ON link.parent_key_id = sound.key_id
),
suspect (key_id, parent_key_id) AS (
    SELECT link.key_id, link.parent_key_id
    FROM link LEFT JOIN sound ON sound.key_id = link.key_id
    WHERE sound.key_id IS NULL
),
walk (key_id, reached) AS (
    -- UNION: a repeated pair ends the recursion.
    SELECT key_id, parent_key_id FROM suspect
    UNION
    SELECT walk.key_id, suspect.parent_key_id
    FROM walk JOIN suspect ON suspect.key_id = walk.reached
),
circle (key_id, length) AS (
    SELECT key_id, count(*) FROM walk GROUP BY key_id HAVING max(CASE WHEN reached = key_id THEN 1 ELSE 0 END) = 1
)
SELECT
    'key_masters' AS table_name,
    CAST(child.id AS text) AS row_id,
    child.key_id AS row_name,
    'has the parent ''' || parent.key_id || CASE
        WHEN circle.key_id IS NOT NULL
            THEN ''' in a circle of ' || CAST(circle.length AS text) || ' keys, each the parent of another'
        ELSE ''', a ' || parent.key_type || ' key: a parent is a kek or hsm key'
    END AS problem
FROM {schema}.key_masters AS child
JOIN {schema}.key_masters AS parent ON parent.key_id = child.parent_key_id
LEFT JOIN circle ON circle.key_id = child.key_id
WHERE circle.key_id IS NOT NULL OR parent.key_type NOT IN ('kek', 'hsm')
