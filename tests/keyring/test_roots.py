"""Roots of a ring: one that takes long to answer, and another root key under the reference of one that is in use."""

import base64
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys, Secret, SecretRoot
from kms_schema.keyring import KeyRing, MaterialUnavailableError
from kms_schema.keyring.database import storage
from kms_schema.roles.definition import Role
from support.engines import Database
from support.programs.commands import Said, kms_schema
from support.rows.smallest import unique
from tests.keyring.rings import AAD, DATA, ROOT, value
from tests.roles.granted import Granted


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


MADE = "SELECT count(*) FROM key_versions"
STORED = "SELECT count(*) FROM hsm_configurations WHERE wrapping_key_ref IS NOT NULL"


@pytest.fixture
def mistaken(sql_engine: sa.Engine) -> KeyRing:
    """A ring whose key for `ROOT` is another one."""
    return KeyRing(sql_engine, RootKeys({ROOT: Secret(bytearray(secrets.token_bytes(32)))}))


def test_nothing_is_made_under_another_root_key_of_the_same_name(
    mistaken: KeyRing, ring: KeyRing, kek: str, database: Database
) -> None:
    before = value(database, MADE)
    with mistaken:
        for make in (lambda: mistaken.create("other", under=ROOT, key_type="kek"), lambda: mistaken.rotate(kek)):
            with pytest.raises(MaterialUnavailableError, match="is not the one that version 1 of key"):
                make()
    assert value(database, MADE) == before
    ring.rotate(kek)
    assert value(database, MADE) == before + 1


def add_hsm(folder: Path, url: str, root_file: Path) -> Said:
    pin = folder / "pin"
    if not pin.exists():
        pin.write_text("4711-0815")
        pin.chmod(0o600)
    stored = ("--pin-source", f"file:{pin}", "--under", ROOT, "--root-key", f"{ROOT}={root_file}")
    said = kms_schema("hsm", "add", unique("luna"), *stored, url=url)
    assert "4711-0815" not in said.all
    return said


@pytest.fixture
def another_file(tmp_path: Path) -> Path:
    """A file with another root key."""
    file = tmp_path / "another.key"
    file.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    file.chmod(0o600)
    return file


@pytest.mark.only_on("postgresql")
def test_an_administrator_who_reads_no_material_stores_a_pin(
    *, granted: Granted, another_file: Path, root_file: Path, tmp_path: Path
) -> None:
    with granted.member(Role.ADMIN) as seen:
        assert add_hsm(tmp_path, seen.url, root_file).status == 0
        assert "the credentials of HSM" in add_hsm(tmp_path, seen.url, another_file).error


@pytest.mark.usefixtures("kek")
def test_no_pin_is_stored_under_another_root_key_of_the_same_name(
    *, another_file: Path, root_file: Path, database: Database, tmp_path: Path
) -> None:
    before = value(database, STORED)
    said = add_hsm(tmp_path, database.url, another_file)
    assert (said.status, "is not the one that" in said.error) == (1, True)
    assert add_hsm(tmp_path, database.url, root_file).status == 0
    said = add_hsm(tmp_path, database.url, another_file)
    assert (said.status, "the credentials of HSM" in said.error) == (1, True)
    assert value(database, STORED) == before + 1
