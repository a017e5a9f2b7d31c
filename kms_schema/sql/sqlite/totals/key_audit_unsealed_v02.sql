-- The entries that no seal covers yet. Together with key_audit_daily_totals and key_rotation_causes, which cover the
-- sealed entries, they are the whole audit log. SQLite has one writer at a time, so a seal leaves no gaps.
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
