"""Clients that use a database while it is migrated, and the duration of each of their statements.

They violate no rule of 004 or 005, so none of their statements may fail during a migration. Each works on its own rows,
so a wait is a wait for the migration.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import psycopg

from support.concurrency.statements import Statement, adding, changing, deleting
from support.engines import Database
from support.engines.database import Connection
from support.rows import smallest
from support.statements import execute

BUSY_TIMEOUT_MS = 60_000
PAUSE_SECONDS = 0.03
"""Between two rounds of a client: a lock that matters is held for longer."""
READER = "read"
"""The client that never writes."""


@dataclass(frozen=True)
class Timed:
    """A statement that a client ran."""

    client: str
    statement: str
    began: float
    """By `time.monotonic()`."""
    ended: float
    fault: str | None = None

    @property
    def seconds(self) -> float:
        """How long the client waited for its answer."""
        return self.ended - self.began


class Client:
    """A connection that writes down how long each statement took."""

    def __init__(self, name: str, connection: Connection, done: list[Timed]) -> None:
        """Run statements over `connection` and add them to `done`."""
        self._name = name
        self._connection = connection
        self._done = done

    def run(self, statement: Statement) -> Any:
        """Run one statement and return what it gives; raises what the driver raises."""
        began = time.monotonic()
        try:
            ran = execute(self._connection, statement.sql, statement.parameters)
            found = ran.fetchall() if ran.description else []
        except (psycopg.Error, sqlite3.Error) as error:
            fault = f"{type(error).__name__}: {error}"
            self._done.append(Timed(self._name, statement.sql, began, time.monotonic(), fault))
            raise
        self._done.append(Timed(self._name, statement.sql, began, time.monotonic()))
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block's statements in one transaction."""
        # SQLite upgrades no transaction that began by reading once another has written.
        self.run(Statement("BEGIN IMMEDIATE" if isinstance(self._connection, sqlite3.Connection) else "BEGIN", {}))
        try:
            yield
        except BaseException:
            execute(self._connection, "ROLLBACK")
            raise
        self.run(Statement("COMMIT", {}))


Round = Callable[[Client], None]
"""The repeated operation of a client."""


def record_events(client: Client) -> None:
    ((key,),) = client.run(Statement("SELECT id FROM key_masters WHERE key_id = :name", {"name": "dek-1"}))
    client.run(adding("key_audit_logs", smallest.audit_entry(key_id=key)))
    client.run(adding("key_audit_logs", smallest.audit_entry(security_level="HIGH", risk_score=80)))


def count_use(client: Client) -> None:
    of_a_key = "key_id = (SELECT id FROM key_masters WHERE key_id = :name)"
    for (version,) in client.run(Statement(f"SELECT id FROM key_versions WHERE {of_a_key}", {"name": "dek-2"})):  # noqa: S608
        counted = "usage_count = usage_count + 1, data_volume_bytes = data_volume_bytes + 4096"
        client.run(Statement(f"UPDATE key_versions SET {counted} WHERE id = :id", {"id": version}))  # noqa: S608


def create_a_key(client: Client) -> tuple[smallest.Row, smallest.Row]:
    """Make a key, its first version, and put both into use."""
    master = smallest.key_master(created_at=smallest.now())
    version = smallest.key_version(master, created_at=smallest.now())
    client.run(adding("key_masters", master))
    client.run(adding("key_versions", version))
    with client.transaction():
        client.run(changing("key_masters", master, status="active", activated_at=smallest.now()))
        client.run(changing("key_versions", version, activated_at=smallest.now()))
    return master, version


def rotate_and_revoke_a_key(client: Client) -> None:
    master, version = create_a_key(client)
    rotation = smallest.key_rotation(master, old_version=1)
    client.run(adding("key_rotations", rotation))
    lease = smallest.now() + timedelta(hours=1)
    running = {"status": "RUNNING", "started_at": smallest.now(), "claimed_by": "worker", "lease_expires_at": lease}
    client.run(changing("key_rotations", rotation, **running))
    successor = smallest.key_version(master, version_number=2, created_at=smallest.now())
    with client.transaction():
        client.run(changing("key_versions", version, deactivated_at=smallest.now()))
        client.run(adding("key_versions", {**successor, "activated_at": smallest.now()}))
        client.run(changing("key_masters", master, rotated_at=smallest.now()))
        client.run(changing("key_rotations", rotation, status="COMPLETED", completed_at=smallest.now(), new_version=2))
    with client.transaction():
        client.run(changing("key_versions", successor, deactivated_at=smallest.now()))
        client.run(changing("key_masters", master, status="revoked", revoked_at=smallest.now()))


def change_settings(client: Client) -> None:
    policy, hsm = smallest.rotation_policy(), smallest.hsm_configuration()
    client.run(adding("rotation_policies", policy))
    client.run(changing("rotation_policies", policy, notify_before_rotation_hours=48))
    client.run(adding("hsm_configurations", hsm))
    client.run(changing("hsm_configurations", hsm, health_status="HEALTHY", last_health_check=smallest.now()))
    # Each key is compared with each policy of its type: of those there are a few, never thousands.
    client.run(deleting("rotation_policies", policy))
    client.run(deleting("hsm_configurations", hsm))


def read(client: Client) -> None:
    client.run(
        Statement(
            """SELECT key_masters.key_id, version_number, wrapped_by_version_id
            FROM key_masters JOIN key_versions ON key_versions.key_id = key_masters.id
            WHERE key_masters.key_id = :name""",
            {"name": "dek-3"},
        )
    )
    client.run(Statement("SELECT count(*) FROM rotation_policies WHERE is_active", {}))
    client.run(
        Statement(
            """SELECT event_type, "timestamp" FROM key_audit_logs
            WHERE key_id = (SELECT id FROM key_masters WHERE key_id = :name) ORDER BY "timestamp" DESC LIMIT 10""",
            {"name": "dek-3"},
        )
    )


ROUNDS: dict[str, Round] = {
    "record_events": record_events,
    "count_use": count_use,
    "create_keys": lambda client: void(create_a_key(client)),
    "rotate_keys": rotate_and_revoke_a_key,
    "change_settings": change_settings,
    READER: read,
}


def void(_: object) -> None:
    """Forget what a round returns."""


class Clients:
    """Threads that each repeat a round, from entering the block to leaving it."""

    def __init__(
        self, database: Database, names: Iterable[str] = ROUNDS, *, pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        """Let each of `names` (of `ROUNDS`) be a client of its own, which pauses between two rounds."""
        self._pause_seconds = pause_seconds
        self._database = database
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(name,), name=name) for name in names]
        self.done: list[Timed] = []
        """Every statement that has ended, of all clients."""

    def __enter__(self) -> Self:
        """Start them."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Let each end its round."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, name: str) -> None:
        with closing(self._database.connect()) as connection:
            if isinstance(connection, sqlite3.Connection):
                # Readers wait for no lock: a conflicting lock makes their statement fail at once.
                connection.execute(f"PRAGMA busy_timeout = {0 if name == READER else BUSY_TIMEOUT_MS}")
            else:
                execute(connection, f"SET application_name = '{name}'")
            client = Client(name, connection, self.done)
            while not self._stopped.wait(self._pause_seconds):
                try:
                    ROUNDS[name](client)
                except (psycopg.Error, sqlite3.Error):
                    time.sleep(0.05)  # it is written down

    def await_each(self, since: float = 0) -> None:
        """Wait until each of them has ended a statement that was still running at `since`, or began later."""
        deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        while waited_for := self.names - {each.client for each in tuple(self.done) if each.ended >= since}:
            assert time.monotonic() < deadline, waited_for
            time.sleep(PAUSE_SECONDS)

    @property
    def names(self) -> set[str]:
        """The names of the clients."""
        return {thread.name for thread in self._threads}

    def faults(self) -> list[str]:
        """Return what each statement that failed said."""
        return [f"{each.client}: {each.statement}: {each.fault}" for each in tuple(self.done) if each.fault]

    def longest(self, since: float = 0, until: float = float("inf"), names: Iterable[str] = ROUNDS) -> Timed:
        """Return the statement that took longest of those that were running between two times."""
        running = (each for each in tuple(self.done) if each.ended >= since and each.began <= until)
        return max((each for each in running if each.client in set(names)), key=lambda each: each.seconds)

    def ended(self, since: float, until: float) -> dict[str, int]:
        """Return how many statements of each client ended between two times."""
        counts = dict.fromkeys(self.names, 0)
        for each in tuple(self.done):
            counts[each.client] += since <= each.ended <= until
        return counts
