"""Make the event triggers on a live database, or take them away."""

from typing import TYPE_CHECKING, Any

from kms_schema.hardening.statements import removal, script

if TYPE_CHECKING:
    import psycopg


def apply(connection: "psycopg.Connection[Any]", schema: str = "public") -> bool:
    """Make the event triggers, in one transaction of an idle connection, and return whether anything changed.

    Needs a superuser, or what a managed service has in its place. Raises `ValueError` for a schema that cannot be used,
    and psycopg's errors: 42501 for a role that may not, 55000 where objects of the newest revision are missing.
    """
    return _run(connection, script(schema))


def remove(connection: "psycopg.Connection[Any]", schema: str = "public") -> bool:
    """Take the event triggers away, likewise, and return whether there were any."""
    return _run(connection, removal(schema))


def _run(connection: "psycopg.Connection[Any]", statements: str) -> bool:
    with connection.transaction():
        connection.execute(statements.encode())
        [(changed,)] = connection.execute("SELECT current_setting('kms.hardening_changed')::boolean").fetchall()
    return bool(changed)
