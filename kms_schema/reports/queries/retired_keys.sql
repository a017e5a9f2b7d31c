SELECT count(*) AS retired_keys
FROM {schema}.key_masters WHERE status IN ('rotated', 'expired', 'revoked', 'archived')
