"""The session behind a SQLAlchemy connection, for statements that must leave no transaction open, on every driver."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa

OF_PSYCOPG = frozenset({"psycopg", "psycopg_async"})
"""SQLAlchemy's names of psycopg 3."""


class PostgresqlSession:
    """A session each of whose statements is a transaction of its own."""

    def __init__(self, connection: sa.Connection) -> None:
        """Use `connection`, which must not be in a transaction."""
        self.driver_name: str = connection.dialect.driver
        self.driver: Any = connection.connection.driver_connection
        self.driver_error: type[Exception] = connection.dialect.loaded_dbapi.Error
        # Of an asynchronous driver SQLAlchemy's adapter, whose methods wait for it.
        self._connection: Any = connection.connection.dbapi_connection

    @property
    def closed(self) -> bool:
        """True if the driver knows that the session has ended."""
        if hasattr(self.driver, "is_closed"):  # of asyncpg
            return bool(self.driver.is_closed())
        return bool(getattr(self.driver, "closed", False))

    @property
    def process(self) -> int | None:
        """The server process that the connection got at its start; None where the driver does not say."""
        if self.driver_name == "asyncpg":
            return int(self.driver.get_server_pid())
        if self.driver_name == "pg8000":
            key_data = getattr(self.driver, "_backend_key_data", None)
            return None if key_data is None else int.from_bytes(key_data[:4], "big")
        information = getattr(self.driver, "info", None)
        return None if information is None else int(information.backend_pid)

    def value(self, statement: str) -> Any:
        """Return the first value of the result of `statement`; raise the driver's errors."""
        with self._autocommit() as cursor:
            return self._row(cursor, statement)[0]

    def catalog_row(self, query: str) -> tuple[Any, ...] | None:
        """Return the first row of a query on the system catalogs, whatever the search_path; None without a row."""
        with self._autocommit() as cursor:
            cursor.execute("BEGIN")
            try:
                cursor.execute("SET LOCAL search_path TO pg_catalog, pg_temp")
                row = self._row(cursor, query)
            except BaseException:
                with suppress(self.driver_error):
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")
            return None if row is None else tuple(row)

    def _row(self, cursor: Any, statement: str) -> Any:
        cursor.execute(statement)
        return cursor.fetchone()

    @contextmanager
    def _autocommit(self) -> Iterator[Any]:
        before, self._connection.autocommit = self._connection.autocommit, True
        # Nothing is prepared: behind a proxy the next server process would not know the statement.
        threshold = getattr(self.driver, "prepare_threshold", None)
        if self.driver_name in OF_PSYCOPG:
            self.driver.prepare_threshold = None
        try:
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()
        finally:
            if self.driver_name in OF_PSYCOPG:
                self.driver.prepare_threshold = threshold
            if not self.closed:
                self._connection.autocommit = before
