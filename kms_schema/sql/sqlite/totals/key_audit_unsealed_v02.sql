-- The entries that no seal is over yet. Together with key_audit_daily_totals and key_rotation_causes, which are of what is
-- sealed, they are the whole trail. Writers take turns here, so a seal leaves no gap behind.
CREATE VIEW key_audit_unsealed AS
SELECT
    entry.sequence,
    entry.key_id,
    entry.event_type,
    entry.event_category,
    entry.timestamp,
    entry.security_level,
    entry.risk_score
FROM key_audit_logs AS entry
WHERE
    entry.sequence > COALESCE(
        (SELECT seal.last_sequence FROM key_audit_seals AS seal ORDER BY seal.seal_number DESC LIMIT 1), 0
    );
