-- Adds the entries under a new page of leaves to the totals of their categories.
CREATE TRIGGER count_sealed_key_audit_logs
AFTER INSERT ON key_audit_leaves
BEGIN
    INSERT INTO key_audit_category_totals (event_category, event_count)
    SELECT entry.event_category, count(*)
    FROM key_audit_logs AS entry
    WHERE entry.sequence BETWEEN NEW.first_sequence AND NEW.first_sequence + length(NEW.hashes) / 32 - 1
    GROUP BY entry.event_category
    ON CONFLICT (event_category) DO UPDATE SET event_count = event_count + excluded.event_count;
END
