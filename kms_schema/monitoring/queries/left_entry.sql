-- As `Retention.first_left`: entries below the last sequence that were sealed later stay.
SELECT entry.sequence
FROM {schema}.key_audit_logs AS entry
WHERE
    entry.sequence <= (SELECT last_sequence FROM {schema}.key_audit_tombstones ORDER BY seal_number DESC LIMIT 1)
    AND (
        SELECT page.first_leaf < %(leaf_count)s AND entry.sequence < page.first_sequence + length(page.hashes) / 32
        FROM {schema}.key_audit_leaves AS page
        WHERE page.first_sequence <= entry.sequence ORDER BY page.first_sequence DESC LIMIT 1
    )
ORDER BY entry.sequence LIMIT 1
