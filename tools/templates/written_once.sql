-- {word} written once.
CREATE TRIGGER {trigger}
BEFORE {event} ON {table}
BEGIN
    SELECT RAISE(ABORT, '{trigger}: WORM violation: {event} of {table} is refused');
END
