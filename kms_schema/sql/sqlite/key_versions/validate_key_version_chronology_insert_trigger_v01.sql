-- created <= activated <= deactivated <= destroyed.
CREATE TRIGGER validate_key_version_chronology_insert
BEFORE INSERT ON key_versions
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
END
