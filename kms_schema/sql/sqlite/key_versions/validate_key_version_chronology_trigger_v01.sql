-- created <= activated <= deactivated <= destroyed, and history is not rewritten: a version is activated and destroyed
-- once. deactivated_at may be cleared (rollback of a rotation), which counts as an activation.
CREATE TRIGGER validate_key_version_chronology
BEFORE UPDATE OF created_at, activated_at, deactivated_at, destroyed_at ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'validate_key_version_chronology: activated_at is before created_at')
    WHERE NEW.activated_at < NEW.created_at;
    SELECT RAISE(ABORT, 'validate_key_version_chronology: deactivated_at is before activated_at')
    WHERE NEW.deactivated_at < NEW.activated_at;
    SELECT RAISE(ABORT, 'validate_key_version_chronology: deactivated_at without activated_at')
    WHERE NEW.deactivated_at IS NOT NULL AND NEW.activated_at IS NULL;
    SELECT RAISE(ABORT, 'validate_key_version_chronology: a live version may not be destroyed: deactivate it first')
    WHERE NEW.destroyed_at IS NOT NULL AND NEW.activated_at IS NOT NULL AND NEW.deactivated_at IS NULL;
    SELECT RAISE(ABORT, 'validate_key_version_chronology: destroyed_at is before deactivated_at')
    WHERE NEW.destroyed_at < NEW.deactivated_at;
    SELECT RAISE(ABORT, 'validate_key_version_chronology: destroyed_at is before created_at')
    WHERE NEW.destroyed_at < NEW.created_at;
    SELECT RAISE(ABORT, 'validate_key_version_chronology: activated_at may not change once it is set')
    WHERE NEW.activated_at IS NOT OLD.activated_at AND OLD.activated_at IS NOT NULL;
    SELECT RAISE(ABORT, 'validate_key_version_chronology: destroyed_at may not change once it is set')
    WHERE NEW.destroyed_at IS NOT OLD.destroyed_at AND OLD.destroyed_at IS NOT NULL;
    SELECT RAISE(ABORT, 'validate_key_version_chronology: a destroyed version may not be activated or deactivated')
    WHERE OLD.destroyed_at IS NOT NULL
        AND (NEW.activated_at IS NOT OLD.activated_at OR NEW.deactivated_at IS NOT OLD.deactivated_at);
END
