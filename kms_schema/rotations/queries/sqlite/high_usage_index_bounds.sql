-- The greatest index bound stays: the key is near its own limit.
UPDATE {schema}.key_versions SET usage_index_bound = NULL WHERE id IN (
    SELECT live.id FROM {schema}.rotation_policies AS policy CROSS JOIN {schema}.key_versions AS live
    WHERE policy.is_active AND live.key_type = policy.key_type
        AND live.usage_index_bound BETWEEN policy.max_operations AND 9223372036854775806
        AND live.usage_count < policy.max_operations AND {part(live)}
    LIMIT %(limit)s
)
