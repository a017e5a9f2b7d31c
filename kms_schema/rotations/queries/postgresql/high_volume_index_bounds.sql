UPDATE {schema}.key_versions SET volume_index_bound = NULL WHERE id = ANY (ARRAY(
    SELECT live.id FROM (
        SELECT key_type, is_active, max_data_volume_mb * 1048576 AS max_bytes
        FROM {schema}.rotation_policies
    ) AS policy, LATERAL (
        SELECT id FROM {schema}.key_versions AS live
        WHERE live.key_type = policy.key_type
            AND live.volume_index_bound BETWEEN policy.max_bytes AND 9223372036854775807
            AND live.data_volume_bytes < policy.max_bytes AND {part(live)}
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) AS live
    WHERE policy.is_active LIMIT %(limit)s
))
