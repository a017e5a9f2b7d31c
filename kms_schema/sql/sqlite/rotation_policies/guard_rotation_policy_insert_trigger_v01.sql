-- INSERT OR REPLACE deletes the rows that it displaces without asking a DELETE trigger, so a row that would
-- displace another is refused first. That refuses upserts as well: a documented gap to PostgreSQL.
CREATE TRIGGER guard_rotation_policy_insert
BEFORE INSERT ON rotation_policies
BEGIN
    SELECT RAISE(ABORT, 'pk_rotation_policies: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM rotation_policies WHERE id = NEW.id);
    SELECT RAISE(ABORT, 'uq_rotation_policies_policy_name: another row has this policy_name (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM rotation_policies WHERE policy_name = NEW.policy_name);
END
