-- The sequences that seals of the period cover.
SELECT min(page.first_sequence) AS first_sequence,
    max(page.first_sequence + length(page.hashes) / 32 - 1) AS last_sequence
FROM {schema}.key_audit_leaves AS page
WHERE page.first_leaf >= coalesce((SELECT max(tree_size) FROM {schema}.key_audit_seals WHERE sealed_at < {start}), 0)
    AND page.first_leaf < coalesce((SELECT max(tree_size) FROM {schema}.key_audit_seals WHERE sealed_at < {end}), 0)
