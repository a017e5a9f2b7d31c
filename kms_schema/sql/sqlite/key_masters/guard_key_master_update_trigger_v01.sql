-- Derived from the models by tools/derived_sql.py.
-- UPDATE OR REPLACE deletes conflicting rows without firing DELETE triggers.
CREATE TRIGGER guard_key_master_update
BEFORE UPDATE OF id, key_id ON key_masters
BEGIN
    SELECT RAISE(ABORT, 'pk_key_masters: another row has this id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.id AND id <> OLD.id);
    SELECT RAISE(ABORT, 'uq_key_masters_key_id: another row has this key_id (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE key_id = NEW.key_id AND id <> OLD.id);
END
