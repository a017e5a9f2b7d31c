-- The rotation policies as they are now.
SELECT
    policy.id, policy.policy_name, policy.key_type, policy.is_active, policy.rotation_window_start,
    policy.rotation_window_end, policy.timezone
FROM {schema}.rotation_policies AS policy
