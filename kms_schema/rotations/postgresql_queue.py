"""The queue on PostgreSQL: workers skip rows that others have locked (SKIP LOCKED), so none waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from kms_schema.database.lock_holders import durable
from kms_schema.rotations.statements import Statements
from kms_schema.text.identifiers import SEARCH_PATH

_PIN = (
    f"SELECT pg_catalog.current_setting('search_path'), pg_catalog.set_config('search_path', %s, true), ({durable()})"
).encode()

_ATTEMPTS = 5
"""Attempts to plan retries, if another session opens a rotation of one of the keys at the same time."""


class PostgresqlStatements(Statements):
    """The rotations in a schema of PostgreSQL."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str, lock_wait: float | None = None) -> None:
        """Take a connection, idle or in a transaction, the name of the schema, and the seconds to wait for a lock."""
        super().__init__(connection, schema)
        self._connection, self._lock_wait = connection, lock_wait

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction, or a savepoint in an open transaction, with a search path of its own."""
        is_inner = self._connection.info.transaction_status != TransactionStatus.IDLE
        with self._connection.transaction(), self._connection.cursor(row_factory=tuple_row) as cursor:
            if self._lock_wait is not None:
                cursor.execute(f"SET LOCAL lock_timeout = {max(round(self._lock_wait * 1000), 1)}".encode())
            before = cursor.execute(_PIN, (SEARCH_PATH,)).fetchone()
            yield
            if is_inner and before:  # an error restores it as well: it ends the savepoint
                cursor.execute(_PIN, before[:1])

    def _plan_retries(self, limit: int) -> int:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.transaction():
                    return super()._plan_retries(limit)
            except psycopg.errors.UniqueViolation:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError  # the last attempt returns or raises
