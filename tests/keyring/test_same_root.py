"""Another root key under the reference of one that is in use: refused, before anything is written under it."""

import base64
import secrets
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys, Secret
from kms_schema.keyring import KeyRing, MaterialUnavailableError
from kms_schema.roles.definition import Role
from support.engines import Database
from support.programs.commands import Said, kms_schema
from support.rows.smallest import unique
from tests.keyring.conftest import ROOT
from tests.keyring.rings import value
from tests.roles.granted import Granted

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
