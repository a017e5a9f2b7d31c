"""`--destroy-after`: versions of KEKs that ended long ago, and each reason for which one is not destroyed."""

import datetime as dt
import time
from contextlib import closing, nullcontext

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, RootKeys
from kms_schema.keyring import EncryptedColumn, KeyRing, RotationRun
from kms_schema.keyring.lifecycle import version_destruction
from kms_schema.keyring.worker import destroying
from kms_schema.models import KeyMaster
from kms_schema.roles.definition import Role
from support.engines import Database
from support.rows.smallest import now, unique
from support.statements import execute
from tests.keyring.due_keys import OLD
from tests.keyring.invoices import invoices
from tests.keyring.rings import ROOT, change, rows
from tests.roles.granted import Granted
from tests.rotations.setups import DAY

ENDED = (
    "UPDATE key_versions SET deactivated_at = :ended WHERE version_number = 1"
    " AND key_id = (SELECT id FROM key_masters WHERE key_id = :key)"
)
STATES = (
    "SELECT v.version_number, v.destroyed_at IS NOT NULL FROM key_versions AS v"
    " JOIN key_masters AS m ON m.id = v.key_id WHERE m.key_id = :key ORDER BY 1"
)


def rotated_long_ago(ring: KeyRing, database: Database, under: str, key_type: str) -> str:
    """Create a key whose first version ended two days ago."""
    name = unique(key_type)
    ring.create(name, under=under, key_type=key_type, activated_at=now() - OLD)
    ring.rotate(name)
    change(database, ENDED, ended=(now() - 2 * DAY).isoformat().replace("+00:00", "Z"), key=name)
    return name


@pytest.fixture
def rotated(ring: KeyRing, database: Database) -> str:
    """A KEK whose first version ended two days ago and wraps nothing."""
    return rotated_long_ago(ring, database, ROOT, "kek")


def run(ring: KeyRing, days: int = 1) -> tuple[RotationRun, list[str]]:
    said: list[str] = []
    return ring.run_rotations(worker="night-1", destroy_after=dt.timedelta(days=days), report=said.append), said


def is_destroyed(database: Database, key_id: str) -> list[bool]:
    return [bool(each) for _, each in rows(database, STATES, key=key_id)]


def test_a_version_that_ended_long_ago_and_wraps_nothing_is_destroyed(
    ring: KeyRing, rotated: str, database: Database
) -> None:
    assert run(ring, days=3)[0].destroyed == 0
    done, said = run(ring)
    assert (done.destroyed, said) == (1, [f"key {rotated!r}: version 1 is destroyed"])
    assert is_destroyed(database, rotated) == [True, False]
    ring.create(unique("orders"), under=rotated)


def test_a_version_that_wraps_another_is_kept(
    ring: KeyRing, rotated: str, database: Database, sql_engine: sa.Engine, roots: RootKeys
) -> None:
    """As a writer with a stale cache wraps it."""
    with Session(sql_engine) as session:
        wrapper = session.scalars(sa.select(KeyMaster).where(KeyMaster.key_id == rotated)).one()
        key = KeyMaster(key_id=unique("late"), key_type="dek", algorithm="XAES-256-GCM", key_size_bits=256)
        session.add(key)
        session.flush()
        session.add(KeyWrapping(roots).generate(key, under=wrapper.versions[0]))
        session.commit()
    assert run(ring)[0].destroyed == 0
    assert is_destroyed(database, rotated) == [False, False]


def test_a_version_of_a_data_key_without_columns_is_kept(ring: KeyRing, kek: str, database: Database) -> None:
    """Nobody knows where its ciphertexts are."""
    name = rotated_long_ago(ring, database, kek, "dek")
    assert run(ring)[0].destroyed == 0
    assert is_destroyed(database, name) == [False, False]


def test_a_version_of_a_data_key_is_kept_while_a_column_holds_its_ciphertexts(
    ring: KeyRing, kek: str, database: Database, sql_engine: sa.Engine
) -> None:
    name = unique("dek")
    ring.create(name, under=kek, activated_at=now() - OLD)
    with invoices(ring, sql_engine, sa.Column("id", sa.Integer), sa.Column("iban", EncryptedColumn(name))) as table:
        with sql_engine.begin() as connection:
            connection.execute(table.insert().values(id=1, iban="text"))
        ring.rotate(name)
        change(database, ENDED, ended=(now() - 2 * DAY).isoformat().replace("+00:00", "Z"), key=name)
        done, said = run(ring)
        assert (done.destroyed, "still has 1 ciphertext " in said[0]) == (0, True)
        assert is_destroyed(database, name) == [False, False]
        with sql_engine.begin() as connection:
            connection.execute(table.delete())
        assert run(ring)[0].destroyed == 1
    assert is_destroyed(database, name) == [True, False]


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("roles", [(), (Role.ROTATOR,)], ids=["visible", "of another login"])
def test_a_transaction_that_may_have_been_open_then_keeps_a_version(
    rotated: str, granted: Granted, roots: RootKeys, monkeypatch: pytest.MonkeyPatch, roles: tuple[Role, ...]
) -> None:
    monkeypatch.setattr(destroying, "LEAST", dt.timedelta(0))
    monkeypatch.setattr(version_destruction, "_SECONDS", 0.2)
    after = dt.timedelta(seconds=0.1)
    with granted.member(*roles) if roles else nullcontext(granted.database) as seen:
        engine = seen.engine()
        with KeyRing(engine, roots) as ring, closing(granted.database.connect()) as other:
            said: list[str] = []
            execute(other, "BEGIN")
            execute(other, "SELECT 1")
            time.sleep(0.2)
            assert ring.run_rotations(worker="w", destroy_after=after, report=said.append).destroyed == 0
            assert isinstance(other, psycopg.Connection)
            assert f"session {other.info.backend_pid} " in said[-1]
            execute(other, "ROLLBACK")
            assert ring.run_rotations(worker="w", destroy_after=after).destroyed >= 1
        engine.dispose()
    assert is_destroyed(granted.database, rotated) == [True, False]


def test_less_than_a_day_is_refused(ring: KeyRing) -> None:
    with pytest.raises(ValueError, match="24 hours"):
        ring.run_rotations(worker="night-1", destroy_after=dt.timedelta(hours=23))
