"""One read-only snapshot, in which the parts read. Each part can fail alone."""

import datetime as dt
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kms_schema.audit.storage.row_security import going_by_policies
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.database.messages import NOT_PERMITTED, driver_message, sqlstate_of
from kms_schema.errors import KmsSchemaError
from kms_schema.reading import reader
from kms_schema.reading.queries import Queries
from kms_schema.reading.times import time_of
from kms_schema.text.identifiers import quoted

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
_QUERIES = Queries(__file__)


class Reader(reader.Reader):
    """The queries of the parts, in one read-only transaction."""

    def __init__(
        self,
        connection: DatabaseConnection,
        schema: str,
        *,
        names: bool = True,
        statement_seconds: int = STATEMENT_SECONDS,
    ) -> None:
        """Take an idle connection.

        schema: that of the tables on PostgreSQL. names: whether single keys have series with their names.
        statement_seconds: after so many a statement is cancelled, on PostgreSQL.
        """
        super().__init__(connection, schema, _QUERIES)
        self._begin = f"{_BEGIN}; SET LOCAL statement_timeout = '{statement_seconds}s'"
        self.names: bool = names
        self.now: dt.datetime = dt.datetime.min
        """The time of the snapshot by the clock of the database."""

    def table(self, name: str) -> str:
        """Return a table with its schema on PostgreSQL, as an identifier."""
        return f"{quoted(self.name)}.{name}"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open the snapshot, and end it: nothing is written."""
        self.connection.execute("BEGIN" if self.on_sqlite else self._begin)
        try:
            if not self.on_sqlite:
                self.connection.execute(going_by_policies(self.name, _TABLES).encode())
            [(now,)] = self.rows("now")
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

    def _usable(self) -> bool:
        return bool(self.connection.in_transaction if self.on_sqlite else not self.connection.closed)


def errors() -> tuple[type[Exception], ...]:
    """Return the errors that a part may raise: of the drivers, psycopg only if it is loaded, and of the package."""
    psycopg = sys.modules.get("psycopg")
    of_driver = () if psycopg is None else (psycopg.Error,)
    return (sqlite3.Error, KmsSchemaError, ValueError, ArithmeticError, TypeError, *of_driver)


def described(error: Exception) -> str:
    """Return the message of an error in one line."""
    hint = ": run this as a member of kms_auditor" if sqlstate_of(error) == NOT_PERMITTED else ""
    return (driver_message(error) or type(error).__name__) + hint


def seconds(value: Any) -> float:
    """Return a time of the database as a Unix timestamp; the expression `epoch` is one already on PostgreSQL."""
    return value if isinstance(value, float) else time_of(value).timestamp()
