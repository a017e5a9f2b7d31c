"""One upgrade at a time: Alembic itself has no lock (sqlalchemy/alembic#633)."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from kms_schema.migrating.faults import MigrationError

LOCK_KEY = 0x6B6D_735F_7363_6865
"""The advisory lock of PostgreSQL that an upgrade holds: the bytes of `kms_sche`."""

POLL_SECONDS = 0.2

log = logging.getLogger("alembic.runtime.migration")


class UpgradeLockError(MigrationError):
    """Another upgrade holds the lock for too long, or this connection cannot hold one."""


@contextmanager
def one_upgrade_at_a_time(connection: sa.Connection, *, wait_seconds: float, lock_timeout_ms: int) -> Iterator[None]:
    """Hold the upgrade lock of a PostgreSQL database, with `lock_timeout` set, while the block runs.

    Waiters poll with no transaction open: one that waits inside `pg_advisory_lock()` has a snapshot that
    `CREATE INDEX CONCURRENTLY` of the lock's holder waits for, and neither ever ends. Raises `UpgradeLockError`
    after `wait_seconds`, and at once behind a proxy that hands each statement to another server process, where
    a session's lock belongs to nobody.
    """
    session = _Session(connection)
    session.refuse_pooled()
    deadline = time.monotonic() + wait_seconds
    said = False
    while not session.value(f"SELECT pg_catalog.pg_try_advisory_lock({LOCK_KEY})"):
        if time.monotonic() > deadline:
            raise UpgradeLockError(
                f"another upgrade has held the lock for {wait_seconds:g} seconds: wait for it to end, or allow more "
                "with -x lock-wait=SECONDS"
            )
        if not said:
            log.info("another upgrade of this database is running: waiting for it to end")
            said = True
        time.sleep(POLL_SECONDS)
    session.value(f"SELECT pg_catalog.set_config('lock_timeout', '{lock_timeout_ms}ms', false)")
    try:
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            connection.rollback()  # ends what an error left open; what was done is committed by now
            session.value("SELECT pg_catalog.set_config('lock_timeout', '0', false)")
            session.value(f"SELECT pg_catalog.pg_advisory_unlock({LOCK_KEY})")


class _Session:
    """The driver's connection under a SQLAlchemy one, for statements that must leave no transaction open."""

    def __init__(self, connection: sa.Connection) -> None:
        self._driver = connection.connection.driver_connection

    def value(self, statement: str) -> object:
        driver = self._driver
        if driver is None:
            raise UpgradeLockError("the connection is closed")
        before, driver.autocommit = driver.autocommit, True
        try:
            row = driver.execute(statement).fetchone()
        finally:
            driver.autocommit = before
        return row[0]

    def refuse_pooled(self) -> None:
        processes = {self.value("SELECT pg_catalog.pg_backend_pid()") for _ in range(5)}
        if len(processes) > 1:
            raise UpgradeLockError(
                "statements of this connection run in different server processes: a proxy pools transactions here. "
                "Upgrade through a direct connection to the server, or a pool in session mode"
            )
