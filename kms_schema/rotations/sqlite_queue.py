"""The queue on SQLite: a writer locks the file (BEGIN IMMEDIATE), so workers wait for each other."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from kms_schema.rotations.statements import Statements


class SqliteStatements(Statements):
    """The rotations in a SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection, idle or in a transaction."""
        super().__init__(connection, "main")
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin a transaction that may write, or join the open one."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()
