-- Derived from the models by tools/derived_sql.py.
-- INSERT OR REPLACE deletes conflicting rows without firing DELETE triggers, so a conflicting row is refused first.
-- This refuses upserts as well, a documented difference from PostgreSQL.
CREATE TRIGGER guard_key_rotation_insert
BEFORE INSERT ON key_rotations
BEGIN
    SELECT RAISE(ABORT, 'pk_key_rotations: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_rotations WHERE id = NEW.id);
    SELECT RAISE(ABORT, 'uq_key_rotations_open: another row has this key_id and is open (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_rotations WHERE key_id = NEW.key_id AND status IN ('SCHEDULED', 'RUNNING'))
    AND NEW.status IN ('SCHEDULED', 'RUNNING');
END
