-- A label is not blank, whatever the blanks are.
CREATE TRIGGER guard_key_version_label
BEFORE UPDATE OF label ON key_versions
WHEN NEW.label IS NOT NULL AND trim(NEW.label, char(9, 10, 13, 32)) = ''
BEGIN
    SELECT RAISE(ABORT, 'guard_key_version_label: a label may not be blank');
END
