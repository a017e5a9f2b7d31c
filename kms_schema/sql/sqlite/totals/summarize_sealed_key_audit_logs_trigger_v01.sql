-- Adds newly sealed entries to the daily totals and to the causes of rotation. Each entry has one leaf, and leaves are
-- written once, so each is counted once, in the transaction that seals it.
CREATE TRIGGER summarize_sealed_key_audit_logs
AFTER INSERT ON key_audit_leaves
BEGIN
    INSERT INTO key_audit_daily_totals (day, event_category, security_level, risk_score, event_count)
    SELECT
        substr(entry.timestamp, 1, 10), entry.event_category, entry.security_level, COALESCE(entry.risk_score, -1), count(*)
    FROM key_audit_logs AS entry
    WHERE entry.sequence BETWEEN NEW.first_sequence AND NEW.first_sequence + length(NEW.hashes) / 32 - 1
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (day, event_category, security_level, risk_score)
    DO UPDATE SET event_count = event_count + excluded.event_count;
    INSERT INTO key_rotation_causes (key_id, sequence, reason, occurred_at)
    SELECT
        entry.key_id, entry.sequence,
        CASE entry.event_category WHEN 'SECURITY' THEN 'incident' ELSE 'compliance' END,
        entry.timestamp
    FROM key_audit_logs AS entry
    WHERE
        entry.sequence BETWEEN NEW.first_sequence AND NEW.first_sequence + length(NEW.hashes) / 32 - 1
        AND entry.key_id IS NOT NULL
        AND (
            (entry.event_category = 'SECURITY' AND entry.security_level = 'CRITICAL')
            OR (entry.event_category = 'COMPLIANCE' AND entry.event_type = 'ROTATION_REQUIRED')
        );
END
