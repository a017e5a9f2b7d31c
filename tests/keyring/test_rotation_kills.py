"""A worker that is killed, or loses its connection, before any of its statements: the next run completes the rest."""

import os
import signal
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from kms_schema.crypto import RootKeys
from kms_schema.keyring import CachePolicy, DatabaseUnavailableError, KeyRing
from support.engines import Database
from support.interrupted import Statements
from support.rows.smallest import unique
from tests.keyring.due_keys import give_up_leases, live, old_key, quarterly, rotation, versions_under
from tests.keyring.processes import child
from tests.keyring.rings import AAD, DATA, ROOT

SEVERAL = {"postgresql": (22, 30, 24), "sqlite": (400, 600, 500)}
"""Statements before which a worker is interrupted, one run after the other on the same keys. On SQLite the statements
of triggers count."""
EACH = {"postgresql": 1, "sqlite": 10}
"""With --full: the steps between the statements, each with keys of its own."""
POLICY = CachePolicy(max_age=0.05)


@pytest.fixture(autouse=True, scope="module")
def _policy(database: Database) -> None:
    quarterly(database)
    quarterly(database, "kek")


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second of waiting for each of the many runs."""
    monkeypatch.setattr("kms_schema.keyring.worker.rotating.COMMITTED_WITHIN", 0.0)


@dataclass(frozen=True)
class Tree:
    """A KEK that is due, and two data keys under it, one of them due."""

    database: Database
    roots: RootKeys
    kek: str
    due: str
    other: str
    blobs: dict[str, bytes]

    def check(self) -> None:
        """No key has two live versions, or none."""
        for name in (self.kek, self.due, self.other):
            assert len(live(self.database, name)) == 1, name

    def check_complete(self) -> None:
        """One new version each, nothing under the old KEK, and everything opens."""
        assert [live(self.database, name) for name in (self.kek, self.due, self.other)] == [[2], [2], [1]]
        assert versions_under(self.database, self.kek) == {2: 3}
        for name in (self.kek, self.due):
            assert rotation(self.database, name, "status", "old_version", "new_version") == ("COMPLETED", 1, 2)
        engine = self.database.engine()
        with KeyRing(engine, self.roots) as ring:
            for name, blob in self.blobs.items():
                assert ring.key(name).decrypt(blob, aad=AAD) == DATA
            assert ring.inspect(ring.key(self.due).encrypt(DATA, aad=AAD)).version == 2
        engine.dispose()


def tree(database: Database, ring: KeyRing, roots: RootKeys) -> Tree:
    kek = old_key(ring, ROOT, key_type="kek")
    due, other = old_key(ring, kek), unique("other")
    ring.create(other, under=kek)
    return Tree(
        database, roots, kek, due, other, {name: ring.key(name).encrypt(DATA, aad=AAD) for name in (due, other)}
    )


def killed(database: Database, roots: RootKeys, at: int) -> int | None:
    """Run a worker in a process that is killed before statement `at`; return its number of statements if it is not."""

    def kill(_connection: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def work(write: Any) -> None:
        engine = database.engine()
        statements = Statements(engine, at, kill)
        with KeyRing(engine, roots, cache=POLICY) as ring:
            done = ring.run_rotations(worker="killed")
        assert (done.completed, done.failed) == (2, 0), done
        write(str(statements.count).encode())

    text = child(work).read_to_the_end()
    return int(text) if text else None


@pytest.fixture
def next_ring(make_ring: Any) -> KeyRing:
    ring: KeyRing = make_ring(cache=POLICY)
    return ring


def interrupted_everywhere(
    database: Database, ring: KeyRing, roots: RootKeys, run: Callable[[int], int | None], *, full: bool
) -> None:
    """Interrupt workers, and let the next run complete what they left."""
    if not full:
        made = tree(database, ring, roots)
        for at in SEVERAL[database.dialect]:
            assert run(at) is None, f"statement {at} was not reached"
            made.check()
            give_up_leases(database)
        ring.run_rotations(worker="next")
        made.check_complete()
        return
    made = tree(database, ring, roots)
    total = run(0)
    made.check_complete()
    assert total is not None
    for at in range(1, total + 1, EACH[database.dialect]):
        made = tree(database, ring, roots)
        assert run(at) is None, f"statement {at} was not reached"
        made.check()
        give_up_leases(database)
        ring.run_rotations(worker="next")
        made.check_complete()


def test_killed_before_any_statement(
    database: Database, next_ring: KeyRing, roots: RootKeys, pytestconfig: pytest.Config
) -> None:
    def run(at: int) -> int | None:
        return killed(database, roots, at)

    interrupted_everywhere(database, next_ring, roots, run, full=pytestconfig.getoption("--full"))


@pytest.mark.only_on("postgresql")
def test_disconnected_before_any_statement(
    database: Database, next_ring: KeyRing, roots: RootKeys, pytestconfig: pytest.Config
) -> None:
    def cut(connection: Any) -> None:
        with closing(database.connect()) as other:
            assert isinstance(other, psycopg.Connection)
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])

    def run(at: int) -> int | None:
        engine = database.engine()
        statements = Statements(engine, at, cut)
        with suppress(DatabaseUnavailableError), KeyRing(engine, roots, cache=POLICY) as ring:
            ring.run_rotations(worker="cut")
        engine.dispose()
        return statements.count if statements.count < at or not at else None

    interrupted_everywhere(database, next_ring, roots, run, full=pytestconfig.getoption("--full"))
