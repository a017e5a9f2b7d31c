-- The columns of a policy with which `Window` is made.
policy.policy_name, policy.rotation_window_start, policy.rotation_window_end, policy.timezone
