SELECT wrapping_key_ref FROM {schema}.key_versions
    WHERE wrapping_key_ref IS NOT NULL AND destroyed_at IS NULL
UNION SELECT wrapping_key_ref FROM {schema}.hsm_configurations WHERE wrapping_key_ref IS NOT NULL
