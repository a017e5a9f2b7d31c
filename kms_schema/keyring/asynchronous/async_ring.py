"""The key ring for `asyncio`: the methods of `KeyRing`, awaited."""

import asyncio
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self

import sqlalchemy as sa
from sqlalchemy.util import greenlet_spawn

from kms_schema.crypto import RootKeys
from kms_schema.engine import synchronous_engine
from kms_schema.keyring.asynchronous.async_keys import AsyncKey
from kms_schema.keyring.asynchronous.ring_methods import AsyncRingMethods
from kms_schema.keyring.columns.ring_columns import listen_for_results
from kms_schema.keyring.errors import DatabaseUnavailableError
from kms_schema.keyring.ring import KeyRing
from kms_schema.keyring.use.cache import CachePolicy
from kms_schema.keyring.waiting.waits import EventLoops

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class RingInGreenlets(KeyRing):
    """The ring inside of an `AsyncKeyRing`: for functions that run in a greenlet of SQLAlchemy."""

    _make_waits = EventLoops


class AsyncKeyRing(AsyncRingMethods):
    """The keys of one database, for the tasks of an event loop: `KeyRing` with methods that are awaited.

    - `engine`: an asynchronous engine, of psycopg, asyncpg or aiosqlite; on SQLite one that
      `kms_schema.engine.configure(engine.sync_engine)` has configured
    - `roots`, `schema`, `cache`, `hsms`: as for `KeyRing`. Roots outside of this process are called in threads: a slow
      one, such as an HSM, blocks no event loop

    A call that needs nothing from the database awaits nothing. Event loops may use it one after another, not at once in
    several threads. A task that is cancelled may have counted uses that did not happen, and leaves the ring usable.
    Close it at the end, or use it in an `async with` block. Raises as `KeyRing` does. Example::

        async with AsyncKeyRing(engine, RootKeys.from_files({"kms://root-2026": path})) as ring:
            blob = await ring.key("orders").encrypt(b"DE89 3704", aad=b"invoice/17/iban")
    """

    def __init__(
        self,
        engine: "AsyncEngine",
        roots: RootKeys | Iterable[RootKeys],
        *,
        schema: str = "public",
        cache: CachePolicy = CachePolicy(),  # noqa: B008  (immutable)
        hsms: Mapping[str, str] | None = None,
    ) -> None:
        """Open the ring; nothing is read yet."""
        self._roots = tuple(roots) if isinstance(roots, Iterable) else (roots,)
        self._hsms = hsms
        self._ring: RingInGreenlets = RingInGreenlets(
            engine.sync_engine, self._roots, schema=schema, cache=cache, hsms=hsms
        )

    @property
    def in_greenlets(self) -> KeyRing:
        """The same ring for functions that block, inside of a greenlet of SQLAlchemy.

        Such are types of columns and event hooks while an `AsyncSession` runs them, and functions that
        `AsyncSession.run_sync` runs. Elsewhere a call that has to wait raises `sqlalchemy.exc.MissingGreenlet`.
        """
        return self._ring

    def attach(self, metadata: sa.MetaData) -> None:
        """Have the `EncryptedColumn`s of `metadata` encrypt and decrypt with this ring, over asynchronous engines.

        Versions of what a statement has read are opened while it is awaited. Otherwise as `KeyRing.attach`. Example::

            ring.attach(Base.metadata)
        """
        self._ring.attach(metadata)
        listen_for_results()

    def key(self, key_id: str) -> AsyncKey:
        """Return the key with this name for use. Nothing is read before it is used."""
        return AsyncKey(self._ring._parts, key_id)

    async def close(self) -> None:
        """Write the last entries, close the connections of the ring and forget its material."""
        await greenlet_spawn(self._ring.close)

    async def _in_thread(self, method: str, named: dict[str, Any]) -> Any:
        """Call a method of a synchronous ring on the same database, in a thread."""
        parts = self._ring._parts
        parts.check_open()
        if parts.storage.joined is not None:  # the thread would wait for this task, which waits for the thread
            raise DatabaseUnavailableError("this task has a transaction open on the database: end it first")
        stop = named["stop"] = named.get("stop") or threading.Event()
        running = asyncio.ensure_future(asyncio.to_thread(self._in_own_ring, method, named))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([running])
            running.exception()  # taken: else asyncio reports that it was not
            raise
        finally:
            parts.versions.note_change(None)  # read again what the other ring has changed

    def _in_own_ring(self, method: str, named: dict[str, Any]) -> Any:
        parts = self._ring._parts
        engine = synchronous_engine(parts.storage.engine)
        try:
            with KeyRing(
                engine, self._roots, schema=parts.storage.schema, cache=parts.policy, hsms=self._hsms
            ) as ring:  # fmt: skip
                return getattr(ring, method)(**named)
        finally:
            engine.dispose()

    def __repr__(self) -> str:
        """Show the state only."""
        return repr(self._ring).replace(type(self._ring).__name__, type(self).__name__)

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle would be a copy of keys."""
        raise TypeError("a key ring is neither pickled nor copied: make one in each process")

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the ring."""
        await self.close()
