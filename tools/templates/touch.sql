-- updated_at is the time of the last change, unless the caller gives another. The column list omits updated_at, so that
-- the trigger does not fire itself with recursive_triggers = ON.
CREATE TRIGGER {name}
AFTER UPDATE OF
{columns}
ON {table}
WHEN NEW.updated_at IS OLD.updated_at
BEGIN
    UPDATE {table} SET updated_at = strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' WHERE id = NEW.id;
END
