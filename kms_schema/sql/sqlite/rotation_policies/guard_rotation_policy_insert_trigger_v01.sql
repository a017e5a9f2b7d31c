-- Derived from the models by tools/derived_sql.py.
-- INSERT OR REPLACE deletes conflicting rows without firing DELETE triggers, so a conflicting row is refused first.
-- This refuses upserts as well, a documented difference from PostgreSQL.
CREATE TRIGGER guard_rotation_policy_insert
BEFORE INSERT ON rotation_policies
BEGIN
    SELECT RAISE(ABORT, 'pk_rotation_policies: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM rotation_policies WHERE id = NEW.id);
    SELECT RAISE(ABORT, 'uq_rotation_policies_policy_name: another row has this policy_name (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM rotation_policies WHERE policy_name = NEW.policy_name);
END
