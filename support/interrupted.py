"""Connections that do something before a chosen statement, counted over all connections of an engine."""

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg
import sqlalchemy as sa

Interrupt = Callable[[Any], None]
"""Receives the connection of the driver."""


class Statements:
    """Counts the statements and commits of an engine's connections, and interrupts before one of them."""

    def __init__(
        self, engine: sa.Engine | type[sa.Pool], at: int = 0, interrupt: Interrupt = lambda _connection: None
    ) -> None:
        """Count those of an engine, or of all pools that are made from now on."""
        self.count, self._at, self._interrupt = 0, at, interrupt
        sa.event.listen(engine, "connect", self._connected)

    def _next(self, connection: Any) -> None:
        self.count += 1
        if self.count == self._at:
            self._interrupt(connection)

    def _connected(self, connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            # It reports the statements of triggers as comments.
            connection.set_trace_callback(lambda text: None if text.startswith("--") else self._next(connection))
            return
        statements = self

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, *given: Any, **options: Any) -> Any:
                statements._next(self.connection)
                return super().execute(*given, **options)

            def executemany(self, *given: Any, **options: Any) -> Any:
                statements._next(self.connection)
                return super().executemany(*given, **options)

        commit = connection.commit

        def counted_commit() -> None:
            statements._next(connection)
            commit()

        connection.cursor_factory = Cursor
        connection.commit = counted_commit
