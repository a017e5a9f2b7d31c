SELECT count(*), min(written_at)
FROM (SELECT "timestamp" AS written_at FROM {schema}.key_audit_unsealed LIMIT {most}) AS entry
