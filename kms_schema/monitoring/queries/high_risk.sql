-- An entry shows when its transaction ends, which may be more than an hour after its time: it counts in the hour after
-- it was sealed, too. One that no seal covers is in no page of leaves. While the seals have no open gap, all
-- entries before the pages of that hour were sealed earlier. Where nothing is sealed, only the time counts.
WITH sealed AS MATERIALIZED (
    SELECT coalesce((
        SELECT seal.tree_size FROM {schema}.key_audit_seals AS seal
        WHERE seal.sealed_at <= %(hour)s ORDER BY seal.seal_number DESC LIMIT 1
    ), 0) AS leaf_count
),
late AS MATERIALIZED (
    SELECT CASE WHEN CAST(newest.open_gaps AS text) <> '[]' THEN 0 ELSE coalesce((
        SELECT min(page.first_sequence) FROM {schema}.key_audit_leaves AS page
        WHERE page.first_leaf >= (SELECT sealed.leaf_count FROM sealed)
    ), newest.last_sequence + 1) END AS first_sequence
    FROM {schema}.key_audit_seals AS newest ORDER BY newest.seal_number DESC LIMIT 1
)
SELECT security_level, sum(CASE
        WHEN written_at >= %(hour)s THEN 1
        WHEN sequence < (SELECT late.first_sequence FROM late) THEN 0
        ELSE coalesce((
            SELECT CASE
                WHEN entry.sequence < page.first_sequence + length(page.hashes) / 32
                    AND page.first_leaf < (SELECT sealed.leaf_count FROM sealed) THEN 0
                ELSE 1
            END
            FROM {schema}.key_audit_leaves AS page
            WHERE page.first_sequence <= entry.sequence ORDER BY page.first_sequence DESC LIMIT 1
        ), 0)
    END), count(*), max(written_at)
FROM ({levels}) AS entry GROUP BY security_level
