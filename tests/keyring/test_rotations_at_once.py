"""A data key and the KEK above it change at once, in threads: no version stays under a version that has ended."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kms_schema.crypto import KeyWrapping
from kms_schema.crypto.rewrapping import _Run
from kms_schema.keyring import CachePolicy
from kms_schema.keyring.worker import rotating
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.conftest import MakeRing
from tests.keyring.due_keys import live, old_key, quarterly, rotation, versions_under, wait_until
from tests.keyring.rings import AAD, DATA, ROOT

SECONDS = 20


@pytest.fixture(autouse=True, scope="module")
def _policy(database: Database) -> None:
    quarterly(database, "kek")


def slow_wrapping(monkeypatch: pytest.MonkeyPatch, key_id: str) -> tuple[threading.Event, threading.Event]:
    """Have the next version of a key be wrapped, and wait then; return what says so, and what ends the wait."""
    original, wrapped, go_on = KeyWrapping.generate, threading.Event(), threading.Event()

    def generate(self: KeyWrapping, key: Any, *, under: Any) -> Any:
        made = original(self, key, under=under)
        if key.key_id == key_id:
            wrapped.set()
            assert go_on.wait(SECONDS)
        return made

    monkeypatch.setattr(KeyWrapping, "generate", generate)
    return wrapped, go_on


def tried(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that is set when a batch of versions was tried to be rewrapped."""
    original, ended = _Run._batch, threading.Event()

    def batch(self: _Run, *given: Any) -> int:
        moved = original(self, *given)
        ended.set()
        return moved

    monkeypatch.setattr(_Run, "_batch", batch)
    return ended


@pytest.mark.parametrize("change", ["rotate", "create"])
def test_no_new_version_stays_under_a_version_of_the_kek_that_has_ended(
    make_ring: MakeRing, database: Database, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The live version of the KEK ends after it has wrapped a version, and before that is inserted."""
    monkeypatch.setattr(rotating, "COMMITTED_WITHIN", 0.0)
    ring, of_kek = make_ring(), make_ring(cache=CachePolicy(max_age=0.1))
    kek, orders = old_key(of_kek, ROOT, key_type="kek"), unique("orders")
    changes: dict[str, Callable[[], object]] = {
        "rotate": lambda: ring.rotate(orders),
        "create": lambda: ring.create(orders, under=kek),
    }
    if change == "rotate":
        ring.create(orders, under=kek)
    wrapped, go_on = slow_wrapping(monkeypatch, orders)
    found_locked = tried(monkeypatch)
    with ThreadPoolExecutor() as pool:
        changing = pool.submit(changes[change])
        assert wrapped.wait(SECONDS)
        rotating_kek = pool.submit(of_kek.run_rotations, worker="keks")
        if database.dialect == "postgresql":  # on SQLite the KEK waits for the one writer
            wait_until(lambda: live(database, kek) == [2])
            if change == "create":  # nothing that is under the old version is locked
                rotating_kek.result(SECONDS)
            else:
                assert found_locked.wait(SECONDS)
        go_on.set()
        changing.result(SECONDS)
        assert rotating_kek.result(SECONDS).completed == 1
    assert (rotation(database, kek, "status"), live(database, kek)) == (("COMPLETED",), [2])
    assert set(versions_under(database, kek)) == {2}
    assert live(database, orders) == [2 if change == "rotate" else 1]
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    assert ring.key(orders).decrypt(blob, aad=AAD) == DATA
