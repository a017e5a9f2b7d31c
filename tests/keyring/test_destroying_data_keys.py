"""A version of a data key is destroyed only if no column holds a ciphertext of it, by all that is known."""

import datetime as dt
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import destroy as destroy_version
from kms_schema.keyring import EncryptedColumn, KeyInUseError, KeyRing, ciphertext_counts
from kms_schema.models import KeyVersion
from tests.keyring.rings import change
from tests.keyring.test_reencrypting import invoices
from tests.support.engines import Database
from tests.support.programs.commands import Said, kms_schema
from tests.support.rows.smallest import now, unique

Destroy = Callable[..., Said]


@pytest.fixture
def table(ring: KeyRing, sql_engine: sa.Engine, orders: str) -> Iterator[sa.Table]:
    columns = (
        sa.Column("id", sa.Integer, primary_key=True), sa.Column("iban", EncryptedColumn(orders)),
        sa.Column("raw", sa.LargeBinary),
    )  # fmt: skip
    with invoices(ring, sql_engine, *columns) as made:
        yield made


@pytest.fixture
def orders(ring: KeyRing, kek: str) -> str:
    """The name of a data key that is in use since three days."""
    name = unique("orders")
    ring.create(name, under=kek, activated_at=now() - dt.timedelta(days=3))
    return name


@pytest.fixture
def destroy(database: Database, orders: str) -> Destroy:
    def run(*words: str) -> Said:
        return kms_schema("destroy-version", orders, "1", "--yes", *words, url=database.url)

    return run


def rotate(ring: KeyRing, database: Database, key: str) -> None:
    """End version 1, two days ago."""
    ring.rotate(key)
    ended = (now() - dt.timedelta(days=2)).isoformat().replace("+00:00", "Z")
    of_key = "key_id = (SELECT id FROM key_masters WHERE key_id = :key) AND version_number = 1"
    change(database, f"UPDATE key_versions SET deactivated_at = :ended WHERE {of_key}", ended=ended, key=key)  # noqa: S608


def test_a_version_is_destroyed_when_nothing_is_left(
    *, ring: KeyRing, table: sa.Table, orders: str, destroy: Destroy, database: Database, sql_engine: sa.Engine
) -> None:
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, iban="text", raw=ring.key(orders).encrypt(b"raw", aad=b"")))
    rotate(ring, database, orders)
    assert "still has 1 ciphertexts" in destroy().error
    assert ring.reencrypt_column(table.c.iban).left == 0
    assert "still has 1 ciphertexts" in destroy("--check", f"{table.name}.raw").error
    assert "cannot be counted" in destroy("--check", f"{table.name}.nothing").error
    refused = destroy("--check", "raw")
    assert (refused.status, "TABLE.COLUMN" in refused.error) == (2, True)
    said = destroy()
    assert (said.status, said.out) == (0, f"version 1 of key '{orders}' is destroyed\n")
    ring.rotate(orders)
    said = kms_schema("destroy-version", orders, "2", "--yes", url=database.url)
    assert (said.status, "ended less than 24 hours ago" in said.error) == (1, True)


def test_a_key_without_columns_that_are_known(ring: KeyRing, orders: str, destroy: Destroy, database: Database) -> None:
    ring.key(orders).encrypt(b"somewhere", aad=b"")
    rotate(ring, database, orders)
    said = destroy()
    assert (said.status, "no column is stored with the key" in said.error) == (1, True)
    assert destroy("--erase-data").status == 0


@pytest.mark.only_on("postgresql")
def test_nobody_inserts_between_the_count_and_the_destruction(
    *, ring: KeyRing, table: sa.Table, orders: str, database: Database, sql_engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, iban="text"))
        stale = connection.execute(sa.text(f"DELETE FROM {table.name} RETURNING iban")).scalar_one()  # noqa: S608
    rotate(ring, database, orders)
    monkeypatch.setattr(ciphertext_counts, "LEAST", dt.timedelta(0))
    with sql_engine.connect() as old:
        old.execute(sa.text("SELECT 1"))
        with pytest.raises(KeyInUseError, match="used by a transaction that was open when it ended"):
            destroy_version(sql_engine, orders, 1, check=ciphertext_counts.refuse_data_loss)

    def check(session: Session, version: KeyVersion) -> None:
        ciphertext_counts.refuse_data_loss(session, version)
        with sql_engine.begin() as writing:
            writing.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            insert = sa.text(f"INSERT INTO {table.name} (id, iban) VALUES (2, :stale)")  # noqa: S608
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                writing.execute(insert, {"stale": stale})

    assert destroy_version(sql_engine, orders, 1, check=check).version_number == 1
