"""Keys in tokens over asyncio: a slow HSM blocks no event loop."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from kms_schema.crypto import KeyWrapping, Root, RootKeys, Secret
from kms_schema.hsm.configurations import add_hsm
from kms_schema.hsm.hsms import Hsms
from kms_schema.hsm.key_objects import KeyObjects
from kms_schema.keyring import AsyncKeyRing, DecryptionError, EncryptedColumn, MaterialUnavailableError
from support.engines import Database
from support.engines.softhsm import PIN, SoftHsm
from support.errors import raises
from support.rows.smallest import unique
from tests.hsm.token_objects import handles, in_token
from tests.keyring.rings import AAD, DATA, ROOT, async_engine


async def life(database: Database, roots: RootKeys, luna: str, token: SoftHsm, cards: str) -> None:
    engine = async_engine(database)
    async with AsyncKeyRing(engine, roots, hsms={luna: token.uri("kms")}) as ring:
        name = unique("cards")
        await ring.create(name, hsm=luna)
        blob = await ring.key(name).encrypt(DATA, aad=AAD)
        assert await ring.key(name).decrypt(blob, aad=AAD) == DATA
        with pytest.raises(DecryptionError):
            await ring.key(name).decrypt(blob, aad=b"other")
        await ring.rotate(name)
        await ring.destroy_version(name, 1, erase_data=True)
        assert (len(handles(database, name)), len(in_token(token))) == (1, 2)
        seen, until = 0, asyncio.create_task(ring.key(cards).encrypt(DATA, aad=AAD))
        while not until.done():
            await asyncio.sleep(0.01)
            seen += 1
        assert seen > 3, "the event loop stood still while the HSM worked"
        await columns(ring, engine, cards)
    await engine.dispose()


async def columns(ring: AsyncKeyRing, engine: sa.ext.asyncio.AsyncEngine, cards: str) -> None:
    class Base(DeclarativeBase):
        pass

    class Card(Base):
        __tablename__ = unique("cards").replace("-", "_")
        id: Mapped[int] = mapped_column(primary_key=True)
        pan: Mapped[str] = mapped_column(EncryptedColumn(cards))

    ring.attach(Base.metadata)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        session.add(Card(id=1, pan="4000 1234"))
        await session.commit()
        session.expunge_all()
        assert (await session.scalars(sa.select(Card.pan))).all() == ["4000 1234"]


def test_the_event_loop_goes_on(
    *, database: Database, roots: RootKeys, luna: str, token: SoftHsm, cards: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypt = KeyObjects.encrypt

    def slowly(*arguments: object) -> bytes:
        time.sleep(0.4)
        return encrypt(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(KeyObjects, "encrypt", slowly)
    asyncio.run(life(database, roots, luna, token, cards))


def test_a_task_that_is_cancelled_while_the_hsm_works_leaves_versions_with_their_objects(
    *, database: Database, roots: RootKeys, luna: str, token: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    for method in ("generate", "destroy"):
        monkeypatch.setattr(Hsms, method, slow(getattr(Hsms, method), begun))
    name = unique("cards")

    async def work() -> None:
        engine = async_engine(database)
        async with AsyncKeyRing(engine, roots, hsms={luna: token.uri("kms")}) as ring:
            for call, versions in (
                (lambda: ring.create(name, hsm=luna), 1),
                (lambda: ring.rotate(name), 2),
                (lambda: ring.destroy_version(name, 1, erase_data=True), 1),
            ):
                begun.clear()
                running = asyncio.ensure_future(call())
                while not begun.is_set():
                    await asyncio.sleep(0.01)
                for _ in range(2):
                    running.cancel()
                    await asyncio.sleep(0.05)
                with pytest.raises(asyncio.CancelledError):
                    await running
                await asyncio.sleep(1)  # what a thread would go on with
                objects, made = in_token(token), handles(database, name)
                assert len(objects) == len(made) == versions
                assert all(each.object_id in objects for each in made)
        await engine.dispose()

    asyncio.run(work())


def slow(method: Callable[..., object], begun: threading.Event) -> Callable[..., object]:
    """Return a method that takes half a second longer, as an HSM may, and says that it has begun."""

    def slowly(*arguments: object) -> object:
        begun.set()
        time.sleep(0.5)
        return method(*arguments)

    return slowly


class Elsewhere:
    """A root outside of this process, as the ring sees one: it is called in threads."""

    type, key = "elsewhere", "root"

    def __init__(self, root: Root) -> None:
        self._root = root
        self.threads: set[int] = set()
        self.health, self.close = root.health, root.close

    def derive(self, message: bytes) -> Secret:
        self.threads.add(threading.get_ident())
        return self._root.derive(message)


def test_a_stored_pin_is_opened_while_the_event_loop_goes_on(
    database: Database, sql_engine: sa.Engine, roots: RootKeys, token: SoftHsm
) -> None:
    hsm, name = unique("luna"), unique("cards")
    with Session(sql_engine) as session:
        KeyWrapping(roots).encrypt_credentials(add_hsm(session, hsm), {"pin": PIN}, under=ROOT)
        session.commit()
    root = Elsewhere(dict(roots.items())[ROOT])
    hsms = {hsm: token.uri("kms").partition("&pin-source")[0]}

    async def work() -> None:
        engine = async_engine(database)
        async with AsyncKeyRing(engine, [], hsms=hsms) as without:
            with raises(MaterialUnavailableError, "hsm", match="root") as refused:
                await without.create(name, hsm=hsm)
            assert PIN not in repr(refused.value)
        async with AsyncKeyRing(engine, RootKeys({ROOT: root}), hsms=hsms) as ring:
            await ring.create(name, hsm=hsm)
            blob = await ring.key(name).encrypt(DATA, aad=AAD)
            await ring.rotate(name)
        async with AsyncKeyRing(engine, RootKeys({ROOT: root}), hsms=hsms) as later:
            assert await later.key(name).decrypt(blob, aad=AAD) == DATA
        await engine.dispose()

    asyncio.run(work())
    assert root.threads
    assert threading.get_ident() not in root.threads
    assert len(handles(database, name)) == 2
