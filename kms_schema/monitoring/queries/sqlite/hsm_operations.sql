SELECT hsm_provider, sum(usage_count) FROM {schema}.key_masters
WHERE hsm_provider IS NOT NULL GROUP BY hsm_provider
