-- Bounds texts and documents, as on PostgreSQL: what a change writes into an audit entry fits into one.
CREATE TRIGGER {name}
BEFORE {events} ON {table}
BEGIN
{body}END
