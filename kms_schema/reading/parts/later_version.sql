-- A version of the key has become live since the failure.
EXISTS (
        SELECT 1 FROM {schema}.key_versions AS newer
        WHERE newer.key_id = {0}.key_id AND newer.activated_at >= {0}.failed_at
    )
