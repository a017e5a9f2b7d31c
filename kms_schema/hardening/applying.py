"""Create or remove the event triggers of a database."""

from kms_schema.database.driver_connections import PostgresqlConnection
from kms_schema.database.lock_holders import durable
from kms_schema.hardening.statements import removal, script


def apply(connection: PostgresqlConnection, schema: str = "public") -> bool:
    """Create the event triggers, in one transaction, and return whether anything changed.

    Parameters: an idle `connection` of a superuser, or of the administrator role of a managed service; the `schema` of
    the tables. Raises `ValueError` for a schema name that cannot be used. Raises errors of psycopg: SQLSTATE 42501 if
    the role lacks the privilege, 55000 if objects of the newest revision are missing.

    https://www.postgresql.org/docs/current/event-triggers.html
    """
    return _run(connection, script(schema))


def remove(connection: PostgresqlConnection, schema: str = "public") -> bool:
    """Remove the event triggers, in one transaction, and return whether there were any.

    Parameters and errors as for `apply`.
    """
    return _run(connection, removal(schema))


def _run(connection: PostgresqlConnection, statements: str) -> bool:
    with connection.transaction():
        connection.execute(f"{durable()}; {statements}".encode(), prepare=False)
        [(changed,)] = connection.execute("SELECT current_setting('kms.hardening_changed')::boolean").fetchall()
    return bool(changed)
