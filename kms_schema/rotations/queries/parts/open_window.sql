(policy_id IS NULL OR {is_none_of(policy_id, closed)})
