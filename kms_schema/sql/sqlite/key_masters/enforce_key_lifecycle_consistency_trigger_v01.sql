-- Derived from the models by tools/derived_sql.py.
-- Allowed changes of a key's status: kms_schema.vocabulary.KEY_LIFECYCLE.
-- Before SQLite 3.47 RAISE accepts only literals, hence a line for each refused change.
CREATE TRIGGER enforce_key_lifecycle_consistency
BEFORE UPDATE OF status ON key_masters
WHEN NEW.status IS NOT OLD.status
BEGIN
    SELECT CASE
        WHEN OLD.status = 'pending' AND NEW.status IN ('active', 'revoked') THEN NULL
        WHEN OLD.status = 'active' AND NEW.status IN ('rotated', 'expired', 'revoked') THEN NULL
        WHEN OLD.status = 'rotated' AND NEW.status IN ('expired', 'archived', 'revoked') THEN NULL
        WHEN OLD.status = 'expired' AND NEW.status IN ('archived', 'revoked') THEN NULL
        WHEN OLD.status = 'revoked' AND NEW.status IN ('archived') THEN NULL
        WHEN OLD.status = 'pending' AND NEW.status = 'rotated'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from pending to rotated')
        WHEN OLD.status = 'pending' AND NEW.status = 'expired'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from pending to expired')
        WHEN OLD.status = 'pending' AND NEW.status = 'archived'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from pending to archived')
        WHEN OLD.status = 'active' AND NEW.status = 'pending'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from active to pending')
        WHEN OLD.status = 'active' AND NEW.status = 'archived'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from active to archived')
        WHEN OLD.status = 'rotated' AND NEW.status = 'pending'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from rotated to pending')
        WHEN OLD.status = 'rotated' AND NEW.status = 'active'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from rotated to active')
        WHEN OLD.status = 'expired' AND NEW.status = 'pending'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from expired to pending')
        WHEN OLD.status = 'expired' AND NEW.status = 'active'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from expired to active')
        WHEN OLD.status = 'expired' AND NEW.status = 'rotated'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from expired to rotated')
        WHEN OLD.status = 'revoked' AND NEW.status = 'pending'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from revoked to pending')
        WHEN OLD.status = 'revoked' AND NEW.status = 'active'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from revoked to active')
        WHEN OLD.status = 'revoked' AND NEW.status = 'rotated'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from revoked to rotated')
        WHEN OLD.status = 'revoked' AND NEW.status = 'expired'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from revoked to expired')
        WHEN OLD.status = 'archived' AND NEW.status = 'pending'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from archived to pending')
        WHEN OLD.status = 'archived' AND NEW.status = 'active'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from archived to active')
        WHEN OLD.status = 'archived' AND NEW.status = 'rotated'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from archived to rotated')
        WHEN OLD.status = 'archived' AND NEW.status = 'expired'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from archived to expired')
        WHEN OLD.status = 'archived' AND NEW.status = 'revoked'
            THEN RAISE(ABORT, 'enforce_key_lifecycle_consistency: status may not change from archived to revoked')
        ELSE RAISE(ABORT, 'enforce_key_lifecycle_consistency: unknown status')
    END;
END
