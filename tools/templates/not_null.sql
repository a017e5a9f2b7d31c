-- OR REPLACE replaces a NULL with the column's default after the other guard triggers have run: a counter would be
-- reset to 0, a creation time would change.
CREATE TRIGGER {name}
BEFORE {events}ON {table}
WHEN {condition}
BEGIN
    SELECT RAISE(ABORT, '{rule}: a column with a default may not be given as NULL');
END
