"""Columns that hold ciphertexts of a key are stored with it, and a key is not revoked while they do."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.util import greenlet_spawn

from kms_schema.crypto import RootKeys
from kms_schema.keyring import DatabaseUnavailableError, EncryptedColumn, KeyInUseError, KeyRing, UnknownKeyError
from kms_schema.keyring.columns import declarations
from kms_schema.keyring.columns.column_search import LockWaits
from kms_schema.keyring.descriptions import stored_columns
from kms_schema.keyring.formats.bound_data import bound_data
from kms_schema.roles.definition import Role
from support.engines import Database
from support.rows.smallest import unique
from support.statements import execute
from tests.keyring.conftest import Keys, MakeRing
from tests.keyring.invoices import invoices
from tests.keyring.rings import another_writes, change, opened, ring_as, rows, statements
from tests.roles.granted import Granted


@pytest.fixture
def table(ring: KeyRing, sql_engine: sa.Engine, orders: str) -> Iterator[sa.Table]:
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("iban", EncryptedColumn(orders)))
    with invoices(ring, sql_engine, *columns) as made:
        yield made


def declared(ring: KeyRing, key: str) -> list[str]:
    return [str(name) for name in ring._parts.declarations.declared(key)]


def full_name(database: Database, table: sa.Table) -> str:
    return f"public.{table.name}.iban" if database.dialect == "postgresql" else f"{table.name}.iban"


def test_a_column_is_declared_once_before_it_encrypts(
    ring: KeyRing, table: sa.Table, orders: str, database: Database, sql_engine: sa.Engine
) -> None:
    with sql_engine.connect() as connection:
        connection.execute(table.delete())  # begins a transaction, which on SQLite is the one that declares
        connection.execute(table.insert().values(id=1, iban="x"))
        connection.rollback()
    assert declared(ring, orders) == [full_name(database, table)]
    with KeyRing(sql_engine, ring._parts.roots) as other, sql_engine.begin() as connection:
        other.attach(table.metadata)
        connection.execute(table.insert().values(id=1, iban="x"))
    assert declared(ring, orders) == [full_name(database, table)]
    changes = "SELECT count(*) FROM key_audit_logs WHERE event_type = 'KEY_CHANGED' AND event_description LIKE :key"
    assert rows(database, changes, key=f"%{orders}%") == [(1,)]


@pytest.mark.only_on("sqlite")
def test_the_first_statement_of_a_transaction_waits_for_others_that_write(
    table: sa.Table, database: Database, sql_engine: sa.Engine
) -> None:
    """If the ring read in it, it would be refused at once: it could not write what others have changed since."""
    refused = None
    with another_writes(database):
        try:
            with sql_engine.begin() as connection:
                connection.execute(table.insert().values(id=1, iban="x"))
        except (sa.exc.OperationalError, DatabaseUnavailableError) as error:
            refused = error
    assert refused is None


def test_a_key_is_not_revoked_while_a_column_holds_its_ciphertexts(
    *, ring: KeyRing, table: sa.Table, orders: str, database: Database, sql_engine: sa.Engine, keys: Keys
) -> None:
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, iban="x"))
    ring.rotate(orders)  # the ciphertext is of a version that is not live
    with pytest.raises(KeyInUseError, match=f"column {full_name(database, table)} still holds"):
        ring.revoke(orders, reason="leaked")
    said = keys("revoke", orders, "--reason", "leaked")
    assert (said.status, "still holds ciphertexts" in said.error) == (1, True)
    assert f"kms-schema reencrypt TABLE.COLUMN --key {orders} --to OTHER. Or revoke it now (--now)" in said.error
    ring.expire(orders)
    with pytest.raises(KeyInUseError, match="is not archived"):
        ring.archive(orders)
    assert keys("revoke", orders, "--reason", "leaked", "--now").status == 0
    with pytest.raises(KeyInUseError, match="is not archived"):
        ring.archive(orders)
    change(database, f"DELETE FROM {table.name}")  # noqa: S608
    ring.archive(orders)


def test_a_column_that_cannot_be_read_may_hold_ciphertexts(
    ring: KeyRing, table: sa.Table, orders: str, database: Database, sql_engine: sa.Engine
) -> None:
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, iban="x"))
    change(database, f"ALTER TABLE {table.name} RENAME TO {table.name}_moved")
    try:
        with pytest.raises(KeyInUseError, match=r"cannot be read.* Or revoke it now \(--now\).* KEY_CHANGED"):
            ring.revoke(orders, reason="leaked")
    finally:
        change(database, f"ALTER TABLE {table.name}_moved RENAME TO {table.name}")
    change(database, f"DELETE FROM {table.name}")  # noqa: S608
    ring.revoke(orders, reason="leaked")


@pytest.mark.only_on("postgresql")
def test_who_declares_and_who_looks(
    *, granted: Granted, roots: RootKeys, ring: KeyRing, table: sa.Table, orders: str, database: Database
) -> None:
    app = granted.prefix + Role.APP
    change(database, f'GRANT SELECT, INSERT ON {table.name} TO "{app}"')
    with granted.member(Role.APP) as seen:
        engine: Any = seen.engine()
        with KeyRing(engine, roots) as own, engine.begin() as connection:
            own.attach(table.metadata)
            connection.execute(table.insert().values(id=1, iban="x"))
        engine.dispose()
    ring.attach(table.metadata)
    assert declared(ring, orders) == [full_name(database, table)]
    change(database, f"DELETE FROM {table.name}")  # noqa: S608
    with ring_as(granted, roots, (Role.ROTATOR,)) as rotator:
        for refused in (partial(rotator.revoke, reason="leaked"), rotator.archive):
            with pytest.raises(KeyInUseError, match="may not read it; as the owner of the table, run GRANT") as error:
                refused(orders)
            assert "Re-encrypt" not in str(error.value)
        statement = str(error.value).partition("run ")[2]
        change(database, statement)
        rotator.revoke(orders, reason="leaked")
        rotator.archive(orders)
    assert statement.startswith(f"GRANT SELECT (iban) ON public.{table.name} TO ")


def stored(database: Database, key: str) -> list[str]:
    with database.engine().connect() as connection:
        return stored_columns(connection, key)


@pytest.mark.parametrize("use", ["encrypt", "reencrypt", "encrypt_stream"])
def test_what_a_caller_gets_may_be_anywhere_which_is_stored_once(
    *, ring: KeyRing, make_ring: MakeRing, orders: str, database: Database, use: str
) -> None:
    ring.inspect(ring._parts.encrypt(orders, b"x", b""))  # as a column does, so that its version is open
    blob = ring._parts.encrypt(orders, b"x", b"")
    assert stored(database, orders) == []
    if use == "reencrypt":
        ring.rotate(orders)
    for own in (ring, ring, make_ring()):
        key = own.key(orders)
        given: Any = {"encrypt": b"x", "reencrypt": blob, "encrypt_stream": io.BytesIO(b"x")}[use]
        assert b"".join(
            [getattr(key, use)(given, aad=b"")] if use != "encrypt_stream" else key.encrypt_stream(given, aad=b"")
        )
    assert stored(database, orders) == ["*"]
    assert declared(ring, orders) == []
    ring.revoke(orders, reason="leaked")  # it cannot look there


def test_the_asynchronous_ring_stores_it_before_it_encrypts_at_once(
    database: Database, roots: RootKeys, orders: str
) -> None:
    async def work() -> None:
        async with opened(database, roots) as (own, _):
            for _ in range(4):  # of the seven uses that it has reserved then, three are left
                await greenlet_spawn(own._ring._parts.encrypt, orders, b"x", b"")
            assert stored(database, orders) == []
            await own.key(orders).encrypt(b"x", aad=b"")
            assert stored(database, orders) == ["*"]
            found = statements(own)
            await own.key(orders).encrypt(b"x", aad=b"")
            assert found == []

    asyncio.run(work())


def test_a_key_that_is_created_after_a_refusal_is_declared(
    ring: KeyRing, sql_engine: sa.Engine, kek: str, database: Database
) -> None:
    name = unique("later")
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("iban", EncryptedColumn(name)))
    with invoices(ring, sql_engine, *columns) as table:
        with pytest.raises(UnknownKeyError), sql_engine.begin() as connection:
            connection.execute(table.insert().values(id=1, iban="x"))
        ring.create(name, under=kek)
        with sql_engine.begin() as connection:
            connection.execute(table.insert().values(id=1, iban="x"))
        assert stored(database, name) == [full_name(database, table)]


def test_a_column_that_is_re_encrypted_is_declared_and_a_tag_from_elsewhere_is_too(
    ring: KeyRing, sql_engine: sa.Engine, kek: str, database: Database
) -> None:
    name = unique("imported")
    ring.create(name, under=kek, ciphertext_tag=4711, material=bytes(range(32)))
    assert stored(database, name) == ["*"]
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("iban", sa.LargeBinary))
    with invoices(ring, sql_engine, *columns) as table:
        blob = ring.key(name).encrypt(b"x", aad=bound_data(table.name, "iban", None))
        with sql_engine.begin() as connection:
            connection.execute(table.insert().values(id=1, iban=blob))
        ring.rotate(name)
        ring.reencrypt_column(f"{table.name}.iban", name, dry_run=True)
        assert stored(database, name) == ["*"]
        ring.reencrypt_column(f"{table.name}.iban", name)
        assert stored(database, name) == ["*", full_name(database, table)]


@pytest.mark.only_on("postgresql")
def test_locked_columns_are_waited_for_once(
    *, ring: KeyRing, table: sa.Table, orders: str, database: Database, sql_engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A login that declares columns can lock as many tables."""
    monkeypatch.setattr(declarations, "LOCK_WAIT_SECONDS", 0.2)
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, iban="x"))
    schemas = [unique("other") for _ in range(3)]
    with closing(database.connect()) as locking:
        for schema in schemas:
            execute(locking, f'CREATE SCHEMA "{schema}"')
            execute(locking, f'CREATE TABLE "{schema}".{table.name} (iban bytea)')
        execute(locking, "BEGIN")
        for schema in ("public", *schemas):
            execute(locking, f'LOCK TABLE "{schema}".{table.name}')
        with pytest.raises(KeyInUseError, match="no look at 3 more columns"):
            ring.revoke(orders, reason="leaked")
        execute(locking, "ROLLBACK")
        for schema in schemas:
            execute(locking, f'DROP SCHEMA "{schema}" CASCADE')
    ring.revoke(orders, reason="leaked", now=True)


@pytest.mark.only_on("postgresql")
def test_waits_for_locks_add_up(sql_engine: sa.Engine) -> None:
    """A lock that is released before its wait is over is followed by another one, of a table or of a partition."""
    waits = LockWaits(0.7)
    with sql_engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL statement_timeout = '7s'"))
        for _ in range(2):
            assert not waits.are_over
            waits.bound(connection, lambda: connection.execute(sa.text("SELECT pg_sleep(0.31)")))
            assert connection.execute(sa.text("SHOW statement_timeout")).scalar_one() == "7s"
        assert waits.are_over
        with pytest.raises(sa.exc.OperationalError, match="timeout"):
            waits.bound(connection, lambda: connection.execute(sa.text("SELECT pg_sleep(5)")))
