-- A label keeps its name.
CREATE TRIGGER guard_key_label
BEFORE UPDATE OF label ON key_labels
BEGIN
    SELECT RAISE(ABORT, 'guard_key_label: a label keeps its name');
END
