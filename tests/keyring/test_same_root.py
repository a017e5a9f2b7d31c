"""Another root key under the reference of one that is in use: refused, before anything is written under it."""

import secrets

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys, Secret
from kms_schema.keyring import KeyRing, MaterialUnavailableError
from tests.keyring.conftest import ROOT
from tests.keyring.rings import value
from tests.support.engines import Database

MADE = "SELECT count(*) FROM key_versions"


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
