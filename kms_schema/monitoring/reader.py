"""Reads rows of one snapshot on either engine: the parts have one text of SQL where the engines agree."""

import datetime as dt
import re
import sqlite3
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kms_schema.audit.storage.row_security import going_by_policies
from kms_schema.errors import KmsSchemaError
from kms_schema.text.identifiers import quoted

if TYPE_CHECKING:
    import psycopg

STATEMENT_SECONDS = 3
"""A statement of a scrape that takes longer is cancelled (PostgreSQL)."""
LOCK_SECONDS = 1
"""A scrape waits so long for a lock, such as that of an upgrade (PostgreSQL)."""

# Plans are made for few rows: compiling one, or starting workers, takes longer than all queries together. The workers
# are left to the applications.
_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off;"
    " SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL TimeZone = 'UTC';"
    " SET LOCAL DateStyle = 'ISO'; SET LOCAL extra_float_digits = 1;"
    # In the encoding SQL_ASCII, psycopg returns bytes, which equal no name: each count of a name would be 0.
    " SET LOCAL client_encoding = 'UTF8';"
    f" SET LOCAL lock_timeout = '{LOCK_SECONDS}s';"
    # Others may create functions and operators in a schema of the path, and row security would leave rows out.
    " SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off"
)
_TABLES = (
    "hsm_configurations", "key_audit_daily_totals", "key_audit_leaves", "key_audit_logs", "key_audit_seals",
    "key_audit_tombstones", "key_masters", "key_operation_records", "key_rotation_causes", "key_rotations",
    "key_versions", "key_view_refreshes", "rotation_policies",
)  # fmt: skip
"""The tables that the parts read. A part fails if row security would leave out rows of its tables."""
_FORBIDDEN = "42501"
"""The SQLSTATE of a missing privilege, and of row security that would leave rows out."""
_INDEXED = re.compile(r"\{by (\w+)\}")
_EPOCH = re.compile(r"\{epoch (\w+)\}")
_SQLITE_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Reader:
    """One read-only transaction."""

    def __init__(
        self,
        connection: "psycopg.Connection[Any] | sqlite3.Connection",
        schema: str,
        *,
        names: bool = True,
        statement_seconds: int = STATEMENT_SECONDS,
    ) -> None:
        """Take an idle connection.

        schema: that of the tables on PostgreSQL. names: whether single keys have series with their names.
        statement_seconds: after so many a statement is cancelled, on PostgreSQL.
        """
        self._begin = f"{_BEGIN}; SET LOCAL statement_timeout = '{statement_seconds}s'"
        self.connection: Any = connection
        """In the transaction, while that is open."""
        self.name: str = schema
        """The schema, unquoted."""
        self.on_sqlite: bool = isinstance(connection, sqlite3.Connection)
        self.schema: str = "main" if self.on_sqlite else quoted(schema)
        self.names: bool = names
        self.now: dt.datetime = dt.datetime.min
        """The time of the snapshot by the clock of the database."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open the snapshot, and end it: nothing is written."""
        self.connection.execute("BEGIN" if self.on_sqlite else self._begin)
        try:
            if not self.on_sqlite:
                self.connection.execute(going_by_policies(self.name, _TABLES).encode())
            clock = "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'" if self.on_sqlite else "now()"
            [(now,)] = self.rows(f"SELECT {clock}")
            self.now = time_of(now)
            yield
        finally:
            if self._usable():
                self.connection.execute("ROLLBACK")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let what fails within the block leave the transaction usable."""
        if self.on_sqlite:  # a query that fails does not end the transaction
            yield
            return
        self.connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._usable():
                self.connection.execute("ROLLBACK TO SAVEPOINT part")
            raise
        self.connection.execute("RELEASE SAVEPOINT part")

    def rows(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement.

        `{s}` in it is the schema, `{by INDEX}` after a table the index that SQLite takes, `{epoch COLUMN}` a time for
        `seconds`, and `%(name)s` a value, which is a `datetime` for a time.
        """
        epoch = r"\1" if self.on_sqlite else r"extract(epoch FROM \1)::double precision"
        statement = _EPOCH.sub(epoch, statement)
        text = _INDEXED.sub(r" INDEXED BY \1" if self.on_sqlite else "", statement.replace("{s}", self.schema))
        if self.on_sqlite:
            text = re.sub(r"%\((\w+)\)s", r":\1", text)
            given = {name: self._given(value) for name, value in values.items()}
            return list(self.connection.execute(text, given))
        return list(self.connection.execute(text.encode(), values or None))

    def row(self, statement: str, **values: object) -> tuple[Any, ...] | None:
        """Return the first row of a statement, None if it has none."""
        return next(iter(self.rows(statement, **values)), None)

    def _given(self, value: object) -> object:
        return value.astimezone(dt.UTC).strftime(_SQLITE_TIME) if isinstance(value, dt.datetime) else value

    def _usable(self) -> bool:
        return bool(self.connection.in_transaction if self.on_sqlite else not self.connection.closed)


def errors() -> tuple[type[Exception], ...]:
    """Return what a part may raise: errors of the drivers, psycopg only if it is loaded, and of the package."""
    psycopg = sys.modules.get("psycopg")
    of_driver = () if psycopg is None else (psycopg.Error,)
    return (sqlite3.Error, KmsSchemaError, ValueError, ArithmeticError, TypeError, *of_driver)


def described(error: Exception) -> str:
    """Return the message of an error in one line; psycopg's without context, which can have values."""
    diagnostic = getattr(error, "diag", None)
    primary = getattr(diagnostic, "message_primary", None)
    hint = ": run this as a member of kms_auditor" if getattr(error, "sqlstate", None) == _FORBIDDEN else ""
    return (" ".join(str(primary or error).split()) or type(error).__name__) + hint


def time_of(value: Any) -> dt.datetime:
    """Return a time of the database; SQLite has text."""
    return value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))


def seconds(value: Any) -> float:
    """Return a time of the database as a Unix timestamp; `{epoch …}` is one already on PostgreSQL."""
    return value if isinstance(value, float) else time_of(value).timestamp()


def text_of_id(value: Any) -> str:
    """Return a UUID as PostgreSQL writes it; SQLite has 32 digits."""
    text = str(value)
    return text if "-" in text else str(uuid.UUID(text))
