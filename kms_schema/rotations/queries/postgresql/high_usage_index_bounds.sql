-- The greatest index bound stays: the key is near its own limit.
UPDATE {schema}.key_versions SET usage_index_bound = NULL WHERE id = ANY (ARRAY(
    SELECT live.id FROM {schema}.rotation_policies AS policy, LATERAL (
        SELECT id FROM {schema}.key_versions AS live
        WHERE live.key_type = policy.key_type
            AND live.usage_index_bound BETWEEN policy.max_operations AND 9223372036854775806
            AND live.usage_count < policy.max_operations AND {part(live)}
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) AS live
    WHERE policy.is_active LIMIT %(limit)s
))
