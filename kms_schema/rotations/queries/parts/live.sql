live.activated_at IS NOT NULL AND live.deactivated_at IS NULL
