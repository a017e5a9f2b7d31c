SELECT count(*) AS revoked_keys FROM {schema}.key_masters WHERE revoked_at IS NOT NULL
