-- UPDATE OR REPLACE deletes conflicting rows without firing DELETE triggers.
CREATE TRIGGER guard_key_audit_retention_policy_update
BEFORE UPDATE ON key_audit_retention_policies
BEGIN
    SELECT RAISE(ABORT, 'pk_key_audit_retention_policies: another row has this event_category (REPLACE and upserts are refused)')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_retention_policies
        WHERE event_category = NEW.event_category AND event_category <> OLD.event_category
    );
    SELECT RAISE(ABORT, 'ck_key_audit_retention_policies_event_category_known: unknown event_category')
    WHERE NOT coalesce(NEW.event_category IN ('LIFECYCLE', 'SECURITY', 'COMPLIANCE', 'POLICY'), 0);
    SELECT RAISE(ABORT, 'ck_key_audit_retention_policies_retention_period_days_range: retention_period_days is not between 1 and 36500')
    WHERE NOT coalesce(typeof(NEW.retention_period_days) = 'integer' AND NEW.retention_period_days BETWEEN 1 AND 36500, 0);
END
