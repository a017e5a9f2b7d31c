"""Encrypted columns over asynchronous sessions: keys that are not in the cache are awaited."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kms_schema.crypto import RootKeys
from kms_schema.keyring import DecryptionError, EncryptedColumn, EventLoopError, KeyRevokedError
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.rings import entries, opened


def invoices(key_id: str) -> Any:
    """A class of an application, whose table has a name of its own."""

    class Base(DeclarativeBase):
        pass

    class Invoice(Base):
        __tablename__ = unique("invoices").replace("-", "_")
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        iban: Mapped[str | None] = mapped_column(EncryptedColumn(key_id))
        note: Mapped[str | None] = mapped_column(EncryptedColumn(key_id, row=("id",)))

    return Invoice


def test_a_cold_key_is_awaited(database: Database, roots: RootKeys, orders: str, driver: str) -> None:
    async def work() -> None:
        invoice = invoices(orders)
        table = invoice.__table__
        async with opened(database, roots, driver) as (ring, engine):
            async with engine.begin() as connection:
                await connection.run_sync(table.metadata.create_all)
            ring.attach(table.metadata)
            for number in (1, 2):
                async with AsyncSession(engine) as session:
                    session.add(invoice(id=number, iban=f"iban {number}", note=f"note {number}"))
                    await session.commit()
                await ring.rotate(orders)
        for read in (by_select, by_core, by_get):
            async with opened(database, roots, driver) as (cold, engine):
                cold.attach(table.metadata)
                try:
                    found = await read(engine, invoice)
                except (sa.exc.MissingGreenlet, EventLoopError) as error:
                    pytest.fail(f"{read.__name__}: {error}")
                assert found == [("iban 1", "note 1"), ("iban 2", "note 2")], read
        async with opened(database, roots, driver) as (ring, engine):
            ring.attach(table.metadata)
            async with engine.begin() as connection:  # a ciphertext of another row
                await connection.execute(sa.text(f"UPDATE {table.name} SET iban = note WHERE id = 1"))  # noqa: S608
        for use in (by_select, by_core):
            async with opened(database, roots, driver) as (ring, engine):
                ring.attach(table.metadata)
                for _ in range(2):
                    with pytest.raises(DecryptionError):
                        await use(engine, invoice)
        assert [each["reason"] for each in entries(database, "KEY_USE_REFUSED", orders)] == ["DecryptionError"] * 2
        async with opened(database, roots, driver) as (ring, engine):
            ring.attach(table.metadata)
            await ring.revoke(orders, reason="leaked", now=True)
            async with AsyncSession(engine) as session:
                with pytest.raises(KeyRevokedError):
                    await session.execute(sa.select(invoice))

    asyncio.run(work())


def test_rows_are_taken_within_max_age(
    database: Database, roots: RootKeys, orders: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version expires between the statement and its rows, which nothing awaits; a notice makes it expire as well."""
    seconds = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + seconds)

    async def work() -> None:
        nonlocal seconds
        table = invoices(orders).__table__
        async with opened(database, roots, driver, max_age=60) as (ring, engine), engine.connect() as connection:
            await connection.run_sync(table.metadata.create_all)
            await connection.commit()
            ring.attach(table.metadata)
            await connection.execute(table.insert().values(id=1, iban="iban"))
            await connection.commit()
            monkeypatch.setattr("kms_schema.keyring.use.versions.time", clock)
            found = await connection.execute(sa.select(table.c.iban))
            seconds = 61
            assert taken(found) == ["iban"]
            found = await connection.execute(sa.select(table.c.iban))
            seconds = 121
            assert "within max_age after the statement" in taken(found)
            seconds = 0
            found = await connection.execute(sa.select(table.c.iban))
            await connection.rollback()
            await ring.revoke(orders, reason="leaked", now=True)  # forgets the key
            assert "EventLoopError" in taken(found)
        assert not entries(database, "KEY_USE_REFUSED", orders)

    asyncio.run(work())


def taken(found: sa.CursorResult[Any]) -> Any:
    """The values of a result, or the error."""
    try:
        return found.scalars().all()
    except (EventLoopError, sa.exc.MissingGreenlet) as error:
        return repr(error)


async def by_select(engine: sa.ext.asyncio.AsyncEngine, invoice: Any) -> list[tuple[str, str]]:
    async with AsyncSession(engine) as session:
        found = await session.execute(sa.select(invoice).order_by(invoice.id))
        return [(each.iban, each.note) for each in found.scalars().all()]


async def by_core(engine: sa.ext.asyncio.AsyncEngine, invoice: Any) -> list[tuple[str, str]]:
    async with engine.connect() as connection:
        found = await connection.execute(sa.select(invoice.__table__).order_by("id"))
        return [(each.iban, each.note.open({"id": each.id})) for each in found.all()]


async def by_get(engine: sa.ext.asyncio.AsyncEngine, invoice: Any) -> list[tuple[str, str]]:
    async with AsyncSession(engine) as session:
        found = [await session.get_one(invoice, number) for number in (1, 2)]
        return [(each.iban, each.note) for each in found]
