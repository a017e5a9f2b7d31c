-- A label is not blank.
CREATE TRIGGER guard_key_version_label
BEFORE UPDATE OF label ON key_versions
WHEN NEW.label IS NOT NULL AND trim(NEW.label) = ''
BEGIN
    SELECT RAISE(ABORT, 'guard_key_version_label: a label may not be blank');
END
