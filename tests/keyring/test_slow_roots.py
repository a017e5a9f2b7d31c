"""A root that takes long to answer: keys that are open are used meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys, Secret, SecretRoot
from kms_schema.keyring import KeyRing
from kms_schema.keyring.database import storage
from support.rows.smallest import unique
from tests.keyring.rings import AAD, DATA, ROOT


class Slow(SecretRoot):
    """Answers when `answered` is set."""

    def __init__(self, key: Secret) -> None:
        super().__init__(key)
        self.asked, self.answered = threading.Event(), threading.Event()

    def derive(self, message: bytes) -> Secret:
        self.asked.set()
        assert self.answered.wait(60)
        return super().derive(message)


def slow_root(roots: RootKeys) -> Slow:
    root = dict(roots.items())[ROOT]
    assert isinstance(root, SecretRoot)
    return Slow(Secret.copy_of(root._secret.view))


def test_a_slow_root_leaves_the_connection_to_other_keys(
    sql_engine: sa.Engine, roots: RootKeys, kek: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "CONNECTIONS", 1)
    warm, cold = unique("warm"), unique("cold")
    slow = slow_root(roots)
    with KeyRing(sql_engine, roots) as maker:
        for name in (warm, cold):
            maker.create(name, under=kek)
        blob = maker.key(cold).encrypt(DATA, aad=AAD)
    with KeyRing(sql_engine, RootKeys({ROOT: slow})) as ring, ThreadPoolExecutor(2) as threads:
        slow.answered.set()
        ring.key(warm).encrypt(DATA, aad=AAD)
        slow.answered.clear()
        slow.asked.clear()
        opened = threads.submit(ring.key(cold).decrypt, blob, aad=AAD)
        try:
            assert slow.asked.wait(60)
            used = threads.submit(lambda: [ring.key(warm).encrypt(DATA, aad=AAD) for _ in range(20)])
            wait([used], 20)  # several of them reserve uses, which needs the only connection
            assert (used.done(), opened.done()) == (True, False)
        finally:
            slow.answered.set()
        assert opened.result(60) == DATA


@pytest.mark.only_on("postgresql")
def test_keys_that_are_made_leave_a_connection_to_other_keys(sql_engine: sa.Engine, roots: RootKeys, kek: str) -> None:
    slow, warm, lost = slow_root(roots), unique("warm"), unique("lost")
    with KeyRing(sql_engine, RootKeys({ROOT: slow})) as ring, ThreadPoolExecutor(storage.CONNECTIONS + 2) as threads:
        slow.answered.set()
        ring.create(warm, under=kek)
        ring.create(lost, under=kek)
        ring.key(warm).encrypt(DATA, aad=AAD)
        slow.answered.clear()
        slow.asked.clear()
        made = [threads.submit(ring.create, unique("new"), under=ROOT) for _ in range(storage.CONNECTIONS)]
        try:
            assert slow.asked.wait(60)
            used = threads.submit(lambda: [ring.key(warm).encrypt(DATA, aad=AAD) for _ in range(20)])
            revoked = threads.submit(ring.revoke, lost, reason="lost")
            wait([used, revoked], 20)
            assert (used.done(), revoked.done(), [each.done() for each in made]) == (True, True, [False] * len(made))
        finally:
            slow.answered.set()
        wait(made, 60)
