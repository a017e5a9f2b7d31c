-- The entries that no seal covers yet: all of them, since there are no seals before 006_prove_audit_trail.
CREATE VIEW {schema}.key_audit_unsealed AS
SELECT
    entry.sequence,
    entry.key_id,
    entry.event_type,
    entry.event_category,
    entry.timestamp,
    entry.security_level,
    entry.risk_score
FROM {schema}.key_audit_logs AS entry;
