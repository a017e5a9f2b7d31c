UPDATE {schema}.key_versions SET volume_index_bound = NULL WHERE id IN (
    SELECT live.id FROM {schema}.rotation_policies AS policy CROSS JOIN {schema}.key_versions AS live
    WHERE policy.is_active AND live.key_type = policy.key_type
        AND live.volume_index_bound >= policy.max_data_volume_mb * 1048576
        AND live.data_volume_bytes < policy.max_data_volume_mb * 1048576 AND {part(live)}
    LIMIT %(limit)s
)
