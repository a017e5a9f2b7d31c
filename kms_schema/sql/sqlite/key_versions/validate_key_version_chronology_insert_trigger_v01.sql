-- created <= activated <= deactivated <= destroyed. Numbers are not used up: one far above the others would leave none
-- for the versions to come. A history that lacks many is imported from its newest version on.
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
    SELECT RAISE(ABORT, 'validate_key_version_chronology: version_number is more than 100 above the highest of the key')
    WHERE typeof(NEW.version_number) = 'integer' AND NEW.version_number BETWEEN 101 AND 2147483647
        AND NEW.version_number > coalesce(
            (SELECT max(version_number) FROM key_versions WHERE key_id = NEW.key_id) + 100, 1000000
        );
END
