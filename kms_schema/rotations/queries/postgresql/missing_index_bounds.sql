-- An upper bound of unknown value: without it planners would estimate as many rows as there are deactivated versions
-- without an index bound, and scan the table.
UPDATE {schema}.key_versions SET usage_index_bound = NULL WHERE id = ANY (ARRAY(
    SELECT live.id FROM {schema}.key_versions AS live
    WHERE live.key_type IS NULL AND {part(live)}
        AND live.activated_at BETWEEN '-infinity' AND (SELECT 'infinity'::timestamptz)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
))
