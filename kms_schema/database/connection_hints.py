"""The advice for a connection that fails, by a part of the message of PostgreSQL, its client library or SQLite."""

from collections.abc import Mapping

CONNECTION_HINTS: Mapping[str, str] = {
    "does not exist": "create the database or the role, or correct the URL",
    "authentication failed": "correct the user name or the password, or give the password in PGPASSWORD or ~/.pgpass",
    "no password supplied": "give the password in the URL, in PGPASSWORD or in ~/.pgpass",
    "no pg_hba.conf entry": "let the server's pg_hba.conf admit this user from here",
    "Connection refused": "check that the server runs, and listens on that address and port",
    "resolve": "correct the host's name",
    "Name or service not known": "correct the host's name",
    "name resolution": "correct the host's name, or wait until names can be resolved",
    "translate host name": "correct the host's name",
    "timeout expired": "check the address, and that no firewall blocks it",
    "starting up": "wait until the server has started",
    "terminating connection": "the server or an administrator ended it: run it again",
    "too many": "wait for other connections to end",
    "unable to open database file": "create the folder first, or correct the path",
}
"""The first that fits counts."""


def connection_hint(message: str) -> str | None:
    """Return the advice about the message of a connection that fails, or None.

    connection_hint("connection failed: Connection refused").startswith("check that the server runs")
    """
    return next((hint for part, hint in CONNECTION_HINTS.items() if part in message), None)
