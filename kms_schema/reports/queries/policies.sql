SELECT policy_name, key_type, rotation_interval_days, max_key_age_days, max_operations, max_data_volume_mb
FROM {schema}.rotation_policies WHERE is_active ORDER BY policy_name
