"""Threads beside a ring: a use begins them again where the system had none, and errors do not end them."""

import threading
import time

import pytest

from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyRing
from kms_schema.keyring.use.tallies import Uses
from kms_schema.keyring.waiting import notices
from kms_schema.keyring.waiting.notices import InThread, Stop
from support.engines import Database
from tests.keyring.rings import AAD, DATA


@pytest.mark.parametrize("lacks", ["thread", "socket"])
def test_a_thread_that_could_not_start_begins_later(lacks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = threading.Event()

    def work(stop: Stop) -> None:
        ran.set()
        stop.wait()

    def refuse(*_: object) -> None:
        raise {"thread": RuntimeError("can't start new thread"), "socket": OSError(24, "Too many open files")}[lacks]

    listener = InThread(work, "a test")
    with monkeypatch.context() as patch:
        target = (threading.Thread, "start") if lacks == "thread" else (notices.socket, "socketpair")
        patch.setattr(*target, refuse)
        failed = None
        try:
            listener.begin()
        except OSError as error:
            failed = error
        assert failed is None
    listener.begin()
    assert ran.wait(10)
    listener.close()


def test_an_error_of_a_hook_does_not_end_the_entries_of_each_hour(
    database: Database, roots: RootKeys, orders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("503")

    with KeyRing(database.engine(), roots) as ring:
        ring.key(orders).encrypt(DATA, aad=AAD)
        uses = ring._parts.versions.uses
        (tally,) = uses._tallies.values()
        with monkeypatch.context() as patch:
            patch.setattr(Uses, "_write", fail)
            tally.encrypted(1)
            tally.due = 0
            failed = None
            try:
                uses._write_hourly()
            except LookupError as error:
                failed = error
            assert failed is None
        assert tally.due > time.monotonic()
