-- Derived from the models by tools/derived_sql.py.
-- The identity columns of a row never change.
CREATE TRIGGER protect_key_rotation_identity
BEFORE UPDATE OF id, key_id ON key_rotations
BEGIN
    SELECT RAISE(ABORT, 'protect_key_rotation_identity: id may not change')
    WHERE NEW.id IS NOT OLD.id;
    SELECT RAISE(ABORT, 'protect_key_rotation_identity: key_id may not change')
    WHERE NEW.key_id IS NOT OLD.key_id;
END
