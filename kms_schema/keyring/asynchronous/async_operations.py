"""The methods of the asynchronous ring that take long: columns, revoked keys, handovers, rotations."""

import asyncio
import datetime as dt
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.util import greenlet_spawn

from kms_schema.crypto import RootKeys
from kms_schema.crypto.secret import BytesLike
from kms_schema.engine import synchronous_engine
from kms_schema.keyring.asynchronous.async_streams import AsyncSource, awaited
from kms_schema.keyring.columns.reencrypting import Reencryption
from kms_schema.keyring.descriptions import KeyDescription
from kms_schema.keyring.errors import DatabaseUnavailableError
from kms_schema.keyring.handover.handover_files import Handover
from kms_schema.keyring.ring import KeyRing
from kms_schema.keyring.use.revoked_keys import RevokedKey
from kms_schema.keyring.worker.rotation_options import Report
from kms_schema.keyring.worker.rotation_runs import RotationRun

if TYPE_CHECKING:
    from kms_schema.keyring.handover.receiver_keys import HandoverKey, HandoverPublicKey


class AsyncRevokedKey:
    """A key that is revoked, for decrypting. `AsyncKeyRing.revoked_key` makes it."""

    def __init__(self, key: RevokedKey) -> None:
        """Use `key` in greenlets."""
        self._key = key
        self.key_id: str = key.key_id

    async def decrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the plaintext of a ciphertext. Raises as `RevokedKey.decrypt` does."""
        return await greenlet_spawn(self._key.decrypt, blob, aad=aad)

    def decrypt_stream(self, source: AsyncSource, *, aad: BytesLike) -> AsyncGenerator[bytes, None]:
        """Yield the plaintext of a stream, made with the same `aad`.

        `source` is that of `AsyncKey.decrypt_stream`. Raises as `RevokedKey.decrypt_stream` does.
        """
        return awaited(partial(self._key.decrypt_stream, aad=aad), source)

    def close(self) -> None:
        """Wipe the material."""
        self._key.close()

    def __repr__(self) -> str:
        """Show the name only."""
        return f"<{type(self).__name__} {self.key_id!r}>"


class AsyncOperations:
    """A base of `AsyncKeyRing`."""

    _ring: KeyRing
    _roots: Sequence[RootKeys]
    """As they were given: the ring calls them in threads, and so does a ring of a thread."""
    _hsms: Mapping[str, str] | None

    async def reencrypt_column(  # noqa: PLR0913  (each is a choice of the caller)
        self,
        column: Any,
        key_id: str | None = None,
        *,
        to: str | None = None,
        below: int | None = None,
        dry_run: bool = False,
        row: Sequence[str] | Mapping[str, Any] = (),
        bound_as: tuple[str, str] | None = None,
        batch: int = 500,
        from_revoked: str | None = None,
        actor: str | None = None,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Reencryption:
        """Replace the ciphertexts of old versions in a column by ciphertexts of the live version.

        All parameters, the result and the errors are those of `KeyRing.reencrypt_column`. Other tasks run while the
        database answers; `progress` is called in the event loop. Example::

            done = await ring.reencrypt_column(Invoice.iban)
        """
        return await greenlet_spawn(
            self._ring.reencrypt_column, column, key_id, to=to, below=below, dry_run=dry_run, row=row,
            bound_as=bound_as, batch=batch, from_revoked=from_revoked, actor=actor, progress=progress,
        )  # fmt: skip

    async def revoked_key(self, key_id: str, *, reason: str, actor: str | None = None) -> AsyncRevokedKey:
        """Return the revoked key named `key_id` for decrypting, after the entry with `reason` and `actor`.

        Raises as `KeyRing.revoked_key` does. Example::

            old = await ring.revoked_key("orders", reason="move to orders-2, incident 4711")
            data = await old.decrypt(blob, aad=b"invoice/17/iban")
        """
        return AsyncRevokedKey(await greenlet_spawn(self._ring.revoked_key, key_id, reason=reason, actor=actor))

    async def hand_over(
        self,
        key_id: str,
        *,
        to: "HandoverPublicKey",
        version: int | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Handover:
        """Return a version of a key, wrapped to the public key of a receiver.

        `key_id`, `to`, `version`, `reason` and `actor` are those of `KeyRing.hand_over`. Raises as that does.
        """
        return await greenlet_spawn(
            self._ring.hand_over, key_id, to=to, version=version, reason=reason, actor=actor
        )  # fmt: skip

    async def take_over(  # noqa: PLR0913  (each is said by the caller)
        self,
        key_id: str,
        file: bytes,
        *,
        key: "HandoverKey",
        sha256: str,
        under: str,
        actor: str | None = None,
        **columns: Any,
    ) -> KeyDescription:
        """Create a key from a handover file.

        `key_id`, `file`, `key`, `sha256`, `under`, `actor` and `columns` are those of `KeyRing.take_over`. Raises as
        that does.
        """
        return await greenlet_spawn(
            self._ring.take_over, key_id, file, key=key, sha256=sha256, under=under, actor=actor, **columns
        )

    async def run_rotations(  # noqa: PLR0913  (each is an option of the command)
        self,
        *,
        worker: str,
        once: bool = True,
        actor: str | None = None,
        jobs: int = 1,
        interval: float = 60.0,
        lease: float = 600.0,
        at_any_time: bool = False,
        destroy_after: dt.timedelta | None = None,
        stop: threading.Event | None = None,
        report: Report | None = None,
    ) -> RotationRun:
        """Rotate the keys that are due, in a thread, with a synchronous ring of its own on the same database.

        All parameters, the result and the errors are those of `KeyRing.run_rotations`; `report` is called in that
        thread. A task that is cancelled sets `stop`, and ends after the key at hand. The thread connects by the URL of
        the engine, with psycopg or sqlite3: without hooks, `connect_args` and the like. Raises `TypeError` where a URL
        is not enough: a database in memory, or parameters of asyncpg in it. Then run the method of a `KeyRing` in a
        thread: `await asyncio.to_thread(KeyRing(engine, roots).run_rotations, worker="night-1")`. Example::

            done = await ring.run_rotations(worker="night-1")
        """
        parts = self._ring._for_rotations()
        if parts.storage.joined is not None:  # the thread would wait for this task, which waits for the thread
            raise DatabaseUnavailableError("this task has a transaction open on the database: end it first")
        options = {
            "worker": worker, "once": once, "actor": actor, "jobs": jobs, "interval": interval, "lease": lease,
            "at_any_time": at_any_time, "destroy_after": destroy_after, "report": report,
        }  # fmt: skip
        stop = stop or threading.Event()
        running = asyncio.ensure_future(asyncio.to_thread(partial(self._rotate, options, stop)))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([running])
            running.exception()  # taken: else asyncio reports that it was not
            raise
        finally:
            self._ring._versions.note_change(None)  # read again what the other ring has changed

    def _rotate(self, options: dict[str, Any], stop: threading.Event) -> RotationRun:
        engine = synchronous_engine(self._ring._storage.engine)
        try:
            with KeyRing(
                engine, self._roots, schema=self._ring._storage.schema, cache=self._ring._policy, hsms=self._hsms
            ) as ring:  # fmt: skip
                return ring.run_rotations(**options, stop=stop)
        finally:
            engine.dispose()
