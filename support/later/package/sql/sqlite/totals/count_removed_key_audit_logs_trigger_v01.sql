-- Takes an entry that is removed out of the total of its category.
CREATE TRIGGER count_removed_key_audit_logs
AFTER DELETE ON key_audit_logs
BEGIN
    UPDATE key_audit_category_totals SET event_count = event_count - 1 WHERE event_category = OLD.event_category;
END
