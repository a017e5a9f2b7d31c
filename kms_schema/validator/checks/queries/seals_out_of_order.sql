SELECT name, CASE
        WHEN seal_number <> coalesce(before, 0) + 1 THEN 'does not follow seal ' || coalesce(before, 0)
        WHEN tree_size <= size_before THEN 'covers no more leaves than the seal before'
        WHEN last_sequence < sequence_before THEN 'ends before the last sequence of the seal before'
        WHEN origin <> origin_before THEN 'has another origin than the seal before'
    END AS problem, seal_number AS place
FROM (SELECT seal_number, tree_size, last_sequence, origin, 'seal ' || seal_number AS name,
        lag(seal_number) OVER numbered AS before, lag(tree_size) OVER numbered AS size_before,
        lag(last_sequence) OVER numbered AS sequence_before, lag(origin) OVER numbered AS origin_before
    FROM {only()} {schema}.key_audit_seals WINDOW numbered AS (ORDER BY seal_number)) AS seals
WHERE seal_number <> coalesce(before, 0) + 1 OR tree_size <= size_before OR last_sequence < sequence_before
    OR origin <> origin_before
