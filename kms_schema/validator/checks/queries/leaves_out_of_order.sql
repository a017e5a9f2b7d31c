-- Faults of the whole come after those of a leaf.
SELECT 'leaf ' || first_leaf AS name,
    'does not follow: the next leaf is ' || following AS problem, first_leaf AS place
FROM (SELECT first_leaf, coalesce(lag(first_leaf + length(hashes) / 32) OVER (ORDER BY first_leaf), 0) AS following
    FROM {only()} {schema}.key_audit_leaves) AS pages
WHERE first_leaf <> following
UNION ALL
SELECT 'the last leaf', 'makes ' || leaves || ' leaves, and the last seal covers ' || sealed, 9223372036854775807
FROM (SELECT coalesce((SELECT first_leaf + length(hashes) / 32 FROM {only()} {schema}.key_audit_leaves
        ORDER BY first_leaf DESC LIMIT 1), 0)
        AS leaves, coalesce({part(last_seal, tree_size)}, 0) AS sealed) AS ends
WHERE leaves <> sealed
UNION ALL
SELECT 'the subtrees of level ' || level, 'are ' || kept || ', and the last seal covers ' || whole || ' of them',
    9223372036854775807
FROM (SELECT level, (coalesce({part(last_seal, tree_size)}, 0) >> level) AS whole,
        (SELECT count(*) FROM {only()} {schema}.key_audit_subtrees AS subtrees WHERE subtrees.level = levels.level)
            AS kept,
        (SELECT coalesce(max(position), -1) + 1 FROM {only()} {schema}.key_audit_subtrees AS subtrees
            WHERE subtrees.level = levels.level) AS following
    FROM ({levels}) AS levels) AS subtrees
WHERE kept <> whole OR following <> whole
