UPDATE {schema}.key_versions SET usage_index_bound = NULL WHERE id IN (
    SELECT live.id FROM {schema}.key_versions AS live WHERE live.key_type IS NULL AND {part(live)} LIMIT %(limit)s
)
