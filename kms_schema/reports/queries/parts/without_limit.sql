master.expires_at IS NULL AND master.max_usage_count IS NULL AND NOT EXISTS (
    SELECT 1 FROM {schema}.rotation_policies AS policy
    WHERE policy.is_active AND policy.key_type = master.key_type AND coalesce(policy.rotation_interval_days,
        policy.max_key_age_days, policy.max_operations, policy.max_data_volume_mb) IS NOT NULL
)
