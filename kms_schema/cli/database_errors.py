"""The errors of a database and of the package as messages: one sentence with its exit status, and what to do."""

import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from kms_schema.database.connection_hints import connection_hint
from kms_schema.database.lock_holders import TABLES, described, limits, rows_of
from kms_schema.database.messages import LOCKED, NOT_PERMITTED, UNDEFINED_TABLE, driver_message
from kms_schema.database.url import DatabaseUrl
from kms_schema.errors import KmsSchemaError
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    import psycopg


class CannotConnect(click.ClickException):
    """There is no connection, or the role lacks a privilege: exit status 3."""

    exit_code = 3


_Answer: TypeAlias = tuple[type[click.ClickException], str]
ANSWERS: Mapping[str, _Answer] = {
    **dict.fromkeys(
        (
            "CannotProveError", "CryptoError", "KeyRingError", "RotationError", "TrailError (cannot_start)",
            "TrailError (entry_refused)", "TrailError (other_signer)", "TrailError (unknown_key)",
        ),
        (click.ClickException, "{error}"),
    ),
    **dict.fromkeys(
        ("EncodingError", "SealKeyError"),
        (
            click.ClickException,
            "the trail has a row that its constraints do not allow: {error}; run kms-schema validate",
        ),
    ),
    **dict.fromkeys(
        ("ReportError", "RotationError (refresh)", "TrailError", "ValidationError"), (CannotConnect, "{place}: {error}")
    ),
}  # fmt: skip
"""The kind and the text of the message for an error of the package, by its nearest class here, and its reason.

Names: to import the classes would take every command the time of the slowest one.
"""

_AGAIN = "run this again"
_BESIDE = (
    "make the file and its folder writable for this user: SQLite writes beside a file even to read its write-ahead log"
    " or the journal of a crash. To read only, take a copy of all its files"
)

_NOT_MIGRATED = "upgrade the database (kms-schema upgrade), or name the schema of the tables with --schema"

_BY_SQLSTATE: Mapping[str, str] = {
    LOCKED: f"another session has an exclusive lock, such as of ALTER TABLE or REFRESH: {_AGAIN} when it has ended",
    "57014": f"the statement was cancelled, or statement_timeout expired: {_AGAIN} when the server is less busy",
    "57P01": f"the connection was terminated, or the server is shutting down: {_AGAIN}",
    "57P02": f"the server crashed: {_AGAIN} after its recovery",
    "57P05": f"idle_session_timeout is set for this role: {_AGAIN} as another role",
    "25006": "connect to a server that writes: this one is a standby, or default_transaction_read_only is set",
    "25P03": f"the program was suspended: {_AGAIN}",
    "42703": "upgrade the database to the newest revision: kms-schema upgrade",
    UNDEFINED_TABLE: _NOT_MIGRATED,
}
_BY_MESSAGE: Mapping[str, str] = {
    "attempt to write a readonly database": _BESIDE,
    "unable to open database file": _BESIDE,
    "due to lock timeout": f"another session has the lock: {_AGAIN} when that session has ended",
    "database is locked": f"another process holds the lock of the file: {_AGAIN} when that process has ended",
    "not authorized": "a trigger or view of the file tried to write through this program: kms-schema validate names it",
    "no such table": "the file is not migrated: name another file, or run kms-schema upgrade",
    'relation "': _NOT_MIGRATED,
    "no such column": "upgrade the database to the newest revision: kms-schema upgrade",
    "malformed": "restore the file from a backup",
    "file is not a database": "name another file",
    "server closed the connection": f"the connection was ended, or the server crashed: {_AGAIN}",
}

_CONNECTING = re.compile(r"connection failed|connection to server|connection timeout|resolve|too many connections")
MEMBERSHIP = "kms-schema roles --apply makes the roles, GRANT adds a member"
"""The advice for a role that lacks a privilege."""
_ROLES: Mapping[str, str] = {
    "audit": "kms_auditor",
    "audit retain": "kms_retention and of kms_sealer",
    "audit seal": "kms_sealer",
    "check": "kms_auditor",
    "destroy-version": "kms_rotator",
    "handover": "kms_rotator",
    "hsm": "kms_admin",
    "hsm check": "kms_rotator",
    "inventory": "kms_auditor",
    "keys": "the roles that kms-schema keys COMMAND --help names",
    "metrics": "kms_auditor",
    "policies": "kms_admin",
    "preflight": "kms_auditor",
    "reencrypt": "kms_app",
    "refresh": "kms_sealer",
    "report": "kms_auditor",
    "rewrap": "kms_rotator",
    "roots": "kms_rotator",
    "rotations": "kms_rotator",
    "validate": "kms_auditor",
}
"""The group roles whose members may run a command, by the beginning of its name."""

_OTHERS: Mapping[str, str] = {
    "audit append": "another login, in kms_rotator or kms_admin: a member of kms_auditor only reads",
    "harden": "a superuser",
    "roles": "a superuser, or as the owner of the tables with CREATEROLE",
    "stamp": "the owner of the tables",
}


def with_hint(message: str, sqlstate: str | None = None, *, of_server: str | None = None) -> str:
    """Return the message, with what to do if that is known; `of_server` is the hint that came with it."""
    hint = _hint(message, sqlstate) or of_server
    return f"{message}; {hint}" if hint else message


def at(shown: str, message: str) -> str:
    """Return how an error at a database begins: `cannot connect to URL` if its message is about the connection."""
    return f"cannot connect to {shown}" if _CONNECTING.search(message) else shown


def _hint(message: str, sqlstate: str | None) -> str | None:
    if sqlstate == NOT_PERMITTED:
        return _privilege()
    hints = (hint for text, hint in _BY_MESSAGE.items() if text in message)
    hint = _BY_SQLSTATE.get(sqlstate or "") or next(hints, None)
    if hint is None and sqlstate is None and _CONNECTING.search(message):
        return connection_hint(message)
    return hint


def _privilege() -> str:
    """Return what gives a login the privileges that the command of this context needs."""
    words = words_of_command()
    name = " ".join(words)
    role = _ROLES.get(name) or _ROLES.get(words[0] if words else "")
    other = _OTHERS.get(name) or _OTHERS.get(words[0] if words else "")
    return f"run this as {other}" if other else f"run this as a member of {role or 'a role that may'}: {MEMBERSHIP}"


def words_of_command() -> list[str]:
    """Return the words of the command that runs, such as `audit` and `seal`; none outside of a command."""
    words: list[str] = []
    context = click.get_current_context(silent=True)
    while context is not None and context.parent is not None:
        words.insert(0, context.command.name or "")
        context = context.parent
    return words


def _answer(error: Exception, *, of_values: bool) -> _Answer | None:
    names = (each.__name__ for each in type(error).__mro__ if each.__module__.startswith("kms_schema."))
    keys = (key for name in names for key in (f"{name} ({getattr(error, 'reason', None)})", name))
    found = next((ANSWERS[key] for key in keys if key in ANSWERS), None)
    return (click.UsageError, "{error}") if found is None and of_values and isinstance(error, ValueError) else found


def _of_driver(target: DatabaseUrl, error: "psycopg.Error") -> str:
    first = error.diag.message_primary or str(error).partition("\n")[0]
    message = target.without_secrets(" ".join(first.split()))
    place = at(target.shown, message) if error.sqlstate is None else target.shown
    return f"{place}: {with_hint(message, error.sqlstate, of_server=error.diag.message_hint)}"


@contextmanager
def errors_reported(
    target: DatabaseUrl, refusals: tuple[type[Exception], ...] = (), *, of_values: bool = False
) -> Iterator[None]:
    """Turn an error into a message without traceback or password, with the exit status of its row in the table.

    Errors of the drivers and `refusals` have exit status 3. With `of_values`, other errors of values that the
    command passes on, such as an invalid actor, are errors of usage.
    """
    try:
        yield
    except refusals as error:
        raise CannotConnect(in_a_line(f"{target.shown}: {error}")) from None
    except sqlite3.Error as error:
        raise CannotConnect(in_a_line(f"{target.shown}: {with_hint(str(error))}")) from None
    except _driver_errors() as error:
        raise CannotConnect(in_a_line(_of_driver(target, error))) from None
    except (KmsSchemaError, ValueError) as error:
        if (answer := _answer(error, of_values=of_values)) is None:
            raise
        kind, text = answer
        raise kind(in_a_line(text.format(place=target.shown, error=error))) from None


@contextmanager
def holder_named(connection: "psycopg.Connection[Any] | sqlite3.Connection") -> Iterator[None]:
    """Name the session that holds a lock, in an error about a wait that was too long."""
    try:
        yield
    except _driver_errors() as error:
        if isinstance(connection, sqlite3.Connection) or error.sqlstate != LOCKED:
            raise
        reason = f"{driver_message(error)}; another session{_holder(connection, error)} has the lock"
        message = f"{reason}: wait for it or end it, and run this again"
        raise CannotConnect(in_a_line(message)) from None


def _driver_errors() -> "tuple[type[psycopg.Error], ...]":
    """Return what psycopg raises; nothing where it is not loaded, as for SQLite."""
    psycopg = sys.modules.get("psycopg")
    return () if psycopg is None else (psycopg.Error,)


def _holder(connection: "psycopg.Connection[Any]", error: "psycopg.Error") -> str:
    """Return the session that has locked tables, or upgrades, or else rows, as far as this role can read."""
    try:
        connection.rollback()
        with connection.transaction():
            connection.execute(limits(1).encode(), prepare=False)
            found = connection.execute(TABLES.encode()).fetchone()
            return described(found or connection.execute(rows_of(error.diag.context or "").encode()).fetchone())
    except _driver_errors():
        return ""  # some servers revoke SELECT on these views
