"""Errors of migrations: each message is one sentence that says what happened and what to do."""

from typing import Literal

import sqlalchemy as sa
from alembic.util import CommandError

from kms_schema.database.connection_hints import CONNECTION_HINTS
from kms_schema.database.messages import LOCKED, NOT_PERMITTED, sqlstate_of
from kms_schema.database.url import redact, without_secrets
from kms_schema.errors import KmsSchemaError


class MigrationError(KmsSchemaError, CommandError):
    """The migration was refused, or did not finish; the next run continues from there.

    Alembic prints the message of a `CommandError` without a traceback; `kms-schema` exits with `exit_status` too.
    """

    exit_status = 1


class MigrationUsageError(MigrationError):
    """An option, a revision or a URL that is not valid."""

    exit_status = 2


class CannotMigrateError(MigrationError):
    """There is no connection, its role lacks a privilege, or another session holds a lock for too long (`locked`)."""

    reason: Literal["locked"] | None

    exit_status = 3


GO_DIRECTLY = (
    "connect to the server itself with -x url=… (or KMS_DATABASE_URL), or to a pool in session mode (PgBouncer: "
    "pool_mode = session)"
)

STATEMENT_POOLING = "statement pooling mode"
"""In the message with which PgBouncer closes the connection, at the first BEGIN."""

DEPENDED_ON = "2BP01"
"""SQLSTATE of an object that others depend on; further lines of PostgreSQL's message name these."""

WHEN_IT_HAS_ENDED = (
    "run it again when that session has ended, or allow more with -x lock-timeout-ms=… (a table's lock) or "
    "-x lock-wait=… (transactions that CONCURRENTLY must outlive)"
)

_RUN_AGAIN = "run it again: the next run continues the unfinished revision"

_COMPARE = "the database is not as its revision made it; kms-schema validate reports the difference"

# Advice by SQLSTATE or by a part of the message.
_REFUSED = {
    "40P01": _RUN_AGAIN,
    DEPENDED_ON: "drop or alter that first; where an interrupted upgrade has made it, complete that with `upgrade`",
    "57014": f"a session cancelled it, or statement_timeout is set for this role; {_RUN_AGAIN}",
    "53100": f"free space on the server's disk; {_RUN_AGAIN}",
    ".version_num": (
        "the table is not Alembic's: rename it, or keep this history in another one with "
        "-x version-table=kms_alembic_version"
    ),
    "already exists": "it is not from these migrations: rename it, or take another database",
    "disk is full": "free space on the disk, and run it again: this run was rolled back",
}
_NOT_ALLOWED = {
    LOCKED: WHEN_IT_HAS_ENDED,
    "database is locked": "another process holds the file's lock: run it again when that has ended",
    NOT_PERMITTED: (
        "migrate as the role that owns the schema, or as a member of it, such as after GRANT kms_owner TO kms_migrator;"
        " or grant this role CREATE on the schema and privileges on alembic_version;"
        " to read the revision, a member of kms_auditor is enough"
    ),
    "25006": "this server is a standby, or read-only for this role: migrate on the primary",
    STATEMENT_POOLING: GO_DIRECTLY,
    "readonly database": "make the file and its folder writable, or take another file",
    "disk image is malformed": "restore the file from a backup",
    "file is not a database": "take another file, or move this one away",
}


def described(failure: Exception, url: str) -> MigrationError:
    """Return the error to raise in place of `failure`, with what to do.

    `failure` is what SQLAlchemy or the driver raised. `url` is the database's; without its secrets it becomes a part of
    the message.
    """
    error = _of_driver(failure)
    message = without_secrets(str(failure if error is None else error.orig).strip(), url)
    url = redact(url)
    if error is None:
        return MigrationError(f"{_first_line(message)} ({url}): {_COMPARE}")
    if error.connection_invalidated and STATEMENT_POOLING not in message:
        return connection_lost(url, message)
    if error.statement is None:
        known_faults = dict(CONNECTION_HINTS) | _NOT_ALLOWED
        what_to_do = next((known_faults[part] for part in known_faults if part in message), "correct the URL")
        return CannotMigrateError(f"cannot connect to {url}: {_first_line(message)}: {what_to_do}")
    sqlstate = sqlstate_of(error.orig)
    for known_faults, kind in ((_REFUSED, MigrationError), (_NOT_ALLOWED, CannotMigrateError)):
        for recognised, what_to_do in known_faults.items():
            if recognised == sqlstate or recognised in message:
                reported = _without_hint(message) if sqlstate == DEPENDED_ON else _first_line(message)
                return kind(f"{reported} ({url}): {what_to_do}")
    return MigrationError(f"{_first_line(message)} ({url}): {_COMPARE}")


def connection_lost(url: str, message: str) -> CannotMigrateError:
    """Return the error for a session that ended before the migration did; `message` is the driver's."""
    return CannotMigrateError(f"the connection to {url} was lost: {_first_line(message)}; {_RUN_AGAIN}")


def _of_driver(failure: BaseException) -> sa.exc.DBAPIError | None:
    """Return the driver's error behind a failure.

    Alembic cleans up over the connection, lost or not; SQLAlchemy then reports that it is lost, and not why.
    """
    while isinstance(failure, sa.exc.PendingRollbackError) and failure.__context__ is not None:
        failure = failure.__context__
    return failure if isinstance(failure, sa.exc.DBAPIError) else None


def _without_hint(message: str) -> str:
    first, *dependents = message.partition("\nHINT:")[0].removesuffix("\n").splitlines()
    return f"{first}: {', '.join(line.removeprefix('DETAIL:').strip() for line in dependents)}"


def _first_line(message: str) -> str:
    return message.splitlines()[0] if message else "no message"


def not_in_utf8(encoding: str) -> str | None:
    """Return why a SQLite file of an encoding, as PRAGMA encoding has it, is not migrated; None if it is UTF-8."""
    if encoding == "UTF-8":
        return None
    return f"the file is in {encoding}, and entries are hashed in UTF-8: take a new file, which is in UTF-8 by itself"
