"""The key ring for `asyncio`: the methods of `KeyRing`, awaited."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import sqlalchemy as sa
from sqlalchemy.util import greenlet_spawn

from kms_schema.crypto import RootKeys, Secret
from kms_schema.crypto.secret import BytesLike, check_bytes
from kms_schema.keyring.asynchronous.async_operations import AsyncOperations
from kms_schema.keyring.asynchronous.async_streams import AsyncSource, awaited
from kms_schema.keyring.columns import async_columns
from kms_schema.keyring.descriptions import CiphertextDescription, KeyDescription
from kms_schema.keyring.formats.errors import DoesNotOpenError, NotACiphertextError
from kms_schema.keyring.formats.prefix import MAX_MESSAGE_BYTES, read_message_prefix, read_prefix
from kms_schema.keyring.ring import KeyRing
from kms_schema.keyring.use.cache import CachePolicy
from kms_schema.keyring.waiting.waits import EventLoops, to_the_end

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class RingInGreenlets(KeyRing):
    """The core of an `AsyncKeyRing`: for functions that run in a greenlet of SQLAlchemy, such as types of columns."""

    _waits: EventLoops
    _make_waits = EventLoops

    def close(self) -> None:
        """Close the ring, in whichever event loop it was used."""
        if not self._is_closed:
            self._check_open()
        super().close()

    def _check_open(self) -> None:
        super()._check_open()
        if self._waits.has_moved():
            self._versions.leave_event_loop()
            self._storage.leave_event_loop()

    def encrypt_at_once(self, key_id: str, data: BytesLike, aad: BytesLike) -> bytes | None:
        """Return the ciphertext if nothing is to be awaited, so without the cost of a greenlet; else None."""
        too_long = max(len(data), len(aad)) > MAX_MESSAGE_BYTES  # which is refused before the use is counted
        if self._is_closed or key_id not in self._declarations.elsewhere or too_long:
            return None
        opened = self._versions.encrypts_at_once(key_id, len(data))
        return None if opened is None else opened.cipher.encrypt(data, aad=aad)

    def decrypt_at_once(self, key_id: str, blob: BytesLike, aad: BytesLike) -> bytes | None:
        """Return the plaintext if nothing is to be awaited, else None. Raises as `MessageCipher.decrypt` does."""
        opened = None if self._is_closed else self._versions.decrypts_at_once(key_id, read_message_prefix(blob))
        return None if opened is None else opened.cipher.decrypt(blob, aad=aad)

    def open_prefixes(self, key_id: str, prefixes: set[bytes]) -> None:
        """Open the versions of ciphertexts, by their first bytes: those of results are used outside of greenlets."""
        self._check_open()
        self._versions.uses.write_postponed()
        for prefix in prefixes:
            try:
                _, tag = read_prefix(prefix)
            except NotACiphertextError:
                continue  # the error of the value says so
            self._versions.open_for_decrypting(key_id, tag)

    def refuse(self, key_id: str, hint: str | None) -> NoReturn:
        """Raise the error of a ciphertext that does not open; the refusal is written to the audit log."""
        self._check_open()
        raise self._versions.does_not_open(key_id, hint)

    def _after_fork(self) -> None:
        self._waits.forget()
        super()._after_fork()


class AsyncKeyRing(AsyncOperations):
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
        async_columns.install()

    def key(self, key_id: str) -> "AsyncKey":
        """Return the key with this name for use. Nothing is read before it is used."""
        return AsyncKey(self._ring, key_id)

    async def create(  # noqa: PLR0913  (each is a property of the key)
        self,
        key_id: str,
        *,
        under: str | None = None,
        key_type: str = "dek",
        algorithm: str | None = None,
        key_size_bits: int = 256,
        material: BytesLike | Secret | None = None,
        hsm: str | None = None,
        ciphertext_tag: int | None = None,
        used: int = 0,
        actor: str | None = None,
        **columns: Any,
    ) -> KeyDescription:
        """Register a key, give it its first version and activate it.

        `key_id`, `under`, `key_type`, `algorithm`, `key_size_bits`, `material`, `hsm`, `ciphertext_tag`, `used`,
        `actor` and `columns` are those of `KeyRing.create`. Raises as that does. Example::

            await ring.create("orders", under="kek-2026", max_usage_count=10**9, actor="alice")
        """
        secret = material if isinstance(material, Secret) or material is None else Secret.copy_of(material)
        is_copy = secret is not material
        del material  # so that a traceback with its variables does not have it
        try:
            work = partial(
                self._ring.create, key_id, under=under, key_type=key_type, algorithm=algorithm,
                key_size_bits=key_size_bits, material=secret, hsm=hsm, ciphertext_tag=ciphertext_tag, used=used,
                actor=actor, **columns,
            )  # fmt: skip
            return await to_the_end(work)
        finally:
            if secret is not None and is_copy:
                secret.wipe()

    async def rotate(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Give a key a new version, which is live at once. Raises as `KeyRing.rotate` does."""
        return await to_the_end(partial(self._ring.rotate, key_id, actor=actor))

    async def activate(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Activate a pending key. Raises as `KeyRing.activate` does."""
        return await greenlet_spawn(self._ring.activate, key_id, actor=actor)

    async def expire(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Have a key decrypt only. Raises as `KeyRing.expire` does."""
        return await greenlet_spawn(self._ring.expire, key_id, actor=actor)

    async def archive(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Archive a key that is rotated, expired or revoked. Raises as `KeyRing.archive` does."""
        return await greenlet_spawn(self._ring.archive, key_id, actor=actor)

    async def revoke(self, key_id: str, *, reason: str, now: bool = False, actor: str | None = None) -> KeyDescription:
        """Revoke the key named `key_id`, for a `reason` that is stored. Raises as `KeyRing.revoke` does.

        `now` and `actor` are those of that method.
        """
        return await greenlet_spawn(self._ring.revoke, key_id, reason=reason, now=now, actor=actor)

    async def destroy_version(  # noqa: PLR0913  (each is an option of the command)
        self,
        key_id: str,
        version: int,
        *,
        check: Sequence[str] = (),
        erase_data: bool = False,
        leave_object: bool = False,
        actor: str | None = None,
    ) -> None:
        """Destroy a version that has ended, and the object of one that an HSM holds.

        `key_id`, `version`, `check`, `erase_data`, `leave_object` and `actor` are those of `KeyRing.destroy_version`.
        Raises as that does. Example::

            await ring.destroy_version("orders", 1, check=["invoices.iban"], actor="alice")
        """
        work = partial(self._ring.destroy_version, key_id, version, check=check, erase_data=erase_data)
        await to_the_end(partial(work, leave_object=leave_object, actor=actor))

    async def inspect(self, blob: BytesLike) -> CiphertextDescription:
        """Return which version made a ciphertext. Raises as `KeyRing.inspect` does."""
        return await greenlet_spawn(self._ring.inspect, blob)

    async def close(self) -> None:
        """Write the last entries, close the connections of the ring and forget its material."""
        await greenlet_spawn(self._ring.close)

    def __repr__(self) -> str:
        """Show the state only."""
        return repr(self._ring).replace(type(self._ring).__name__, type(self).__name__)

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle would be a copy of keys."""
        raise TypeError("a key ring is neither pickled nor copied: make one in each process")

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the ring."""
        await self.close()


class AsyncKey:
    """A key of an asynchronous ring, by its name."""

    __slots__ = ("_key", "_ring", "key_id")

    def __init__(self, ring: RingInGreenlets, key_id: str) -> None:
        """Use `ring` in greenlets."""
        self._ring = ring
        self._key = ring.key(key_id)
        self.key_id: str = key_id

    async def encrypt(self, data: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the ciphertext of `data`, bound to `aad`. Raises as `Key.encrypt` does. Example::

        blob = await ring.key("orders").encrypt(b"DE89 3704", aad=b"invoice/17/iban")
        """
        if type(data) is not bytes or type(aad) is not bytes:
            check_bytes(data=data, aad=aad)
        at_once = self._ring.encrypt_at_once(self.key_id, data, aad)
        return at_once if at_once is not None else await greenlet_spawn(self._key.encrypt, data, aad=aad)

    async def decrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the plaintext of a ciphertext of this key, made with the same `aad`. Raises as `Key.decrypt` does."""
        if type(blob) is not bytes or type(aad) is not bytes:
            check_bytes(blob=blob, aad=aad)
        try:
            at_once = self._ring.decrypt_at_once(self.key_id, blob, aad)
        except (NotACiphertextError, DoesNotOpenError) as error:
            hint = error.hint
        else:
            return at_once if at_once is not None else await greenlet_spawn(self._key.decrypt, blob, aad=aad)
        return await greenlet_spawn(
            self._ring.refuse, self.key_id, hint
        )  # outside of `except`: it shows no other error

    async def reencrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return a ciphertext of the same plaintext under the live version. Raises as `Key.reencrypt` does."""
        return await greenlet_spawn(self._key.reencrypt, blob, aad=aad)

    def encrypt_stream(self, source: AsyncSource, *, aad: BytesLike) -> AsyncGenerator[bytes, None]:
        """Yield the ciphertext of `source`, bound to `aad`, in parts of at most 1 MiB, as `Key.encrypt_stream` does.

        `source` is a binary file, which is read in a thread, or yields bytes asynchronously, as the body of a request.
        The use is counted with the first part. Raises as that method does. Example::

            async for part in ring.key("orders").encrypt_stream(request.stream(), aad=b"report"):
                await target.write(part)
        """
        return awaited(partial(self._key.encrypt_stream, aad=aad), source)

    def decrypt_stream(self, source: AsyncSource, *, aad: BytesLike) -> AsyncGenerator[bytes, None]:
        """Yield the plaintext of a stream, made with the same `aad`, in parts that were authenticated.

        `source` is that of `encrypt_stream`. Every error comes with the part at fault, that of a wrong tag with the
        first one. Raises as `Key.decrypt_stream` does.
        """
        return awaited(partial(self._key.decrypt_stream, aad=aad), source)

    def __repr__(self) -> str:
        """Show the name only."""
        return f"<{type(self).__name__} {self.key_id!r}>"
