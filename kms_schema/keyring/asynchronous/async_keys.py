"""Keys of an asynchronous ring, as its tasks use them, and how its methods call those of `KeyRing` with their names.

Files are read in threads, asynchronous sources are awaited. The decorators use the name, signature and docstring of
what they decorate, and not its body, which is empty.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterator
from contextlib import closing
from functools import partial, wraps
from typing import Any, NoReturn, TypeVar, cast

from sqlalchemy.util import await_only, greenlet_spawn

from kms_schema.crypto import Secret
from kms_schema.crypto.secret import BytesLike, check_bytes
from kms_schema.keyring.formats.errors import DoesNotOpenError, NotACiphertextError
from kms_schema.keyring.formats.prefix import MAX_MESSAGE_BYTES, read_message_prefix
from kms_schema.keyring.formats.streams import Source
from kms_schema.keyring.key import Key
from kms_schema.keyring.parts import RingParts
from kms_schema.keyring.use.revoked_keys import RevokedKey
from kms_schema.keyring.waiting.waits import to_the_end

AsyncSource = Source | AsyncIterable[bytes]
"""A binary file or pipe that blocks, or parts of any length that are awaited, such as those of a request's body."""


async def awaited(stream: Callable[[Source], Iterator[bytes]], source: AsyncSource) -> AsyncGenerator[bytes, None]:
    """Yield what a stream of the ring yields; it begins with the first part. Raises as that does."""
    reader: Source = _Awaited(source) if isinstance(source, AsyncIterable) else _InThread(source)
    with closing(cast("Any", await greenlet_spawn(stream, reader))) as parts:
        while (part := await greenlet_spawn(next, parts, None)) is not None:
            yield part


class _InThread:
    """Reads from a file in a thread, so that the event loop goes on."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def readinto(self, buffer: memoryview, /) -> int | None:
        return await_only(asyncio.to_thread(self._source.readinto, buffer))


class _Awaited:
    """Reads from an asynchronous source."""

    def __init__(self, source: AsyncIterable[bytes]) -> None:
        self._parts = aiter(source)
        self._left = memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._left:
            part = await_only(_next(self._parts))
            if part is None:
                return 0
            self._left = memoryview(part)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


async def _next(parts: Any) -> bytes | None:
    part: bytes | None = await anext(parts, None)
    return part


class AsyncKey:
    """A key of an asynchronous ring, by its name."""

    __slots__ = ("_key", "_ring", "key_id")

    def __init__(self, ring: RingParts, key_id: str) -> None:
        """Use the parts of a ring, in greenlets where something is to be awaited."""
        self._ring = ring
        self._key = Key(ring, key_id)
        self.key_id: str = key_id

    async def encrypt(self, data: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the ciphertext of `data`, bound to `aad`. Raises as `Key.encrypt` does. Example::

        blob = await ring.key("orders").encrypt(b"DE89 3704", aad=b"invoice/17/iban")
        """
        if type(data) is not bytes or type(aad) is not bytes:
            check_bytes(data=data, aad=aad)
        ring = self._ring
        too_long = max(len(data), len(aad)) > MAX_MESSAGE_BYTES  # which is refused before the use is counted
        if not (ring.is_closed or too_long) and self.key_id in ring.declarations.elsewhere:
            opened = ring.versions.encrypts_at_once(self.key_id, len(data))
            if opened is not None:  # nothing is to be awaited: this saves a greenlet
                return opened.cipher.encrypt(data, aad=aad)
        return await greenlet_spawn(self._key.encrypt, data, aad=aad)

    async def decrypt(self, blob: BytesLike, *, aad: BytesLike) -> bytes:
        """Return the plaintext of a ciphertext of this key, made with the same `aad`. Raises as `Key.decrypt` does."""
        if type(blob) is not bytes or type(aad) is not bytes:
            check_bytes(blob=blob, aad=aad)
        ring = self._ring
        try:
            tag = read_message_prefix(blob)
            opened = None if ring.is_closed else ring.versions.decrypts_at_once(self.key_id, tag)
            if opened is not None:
                return opened.cipher.decrypt(blob, aad=aad)
        except (NotACiphertextError, DoesNotOpenError) as error:
            hint = error.hint
        else:
            return await greenlet_spawn(self._key.decrypt, blob, aad=aad)
        return await greenlet_spawn(self._refuse, hint)  # outside of `except`: it shows no other error

    def _refuse(self, hint: str | None) -> NoReturn:
        """Raise the error of a ciphertext that does not open; the refusal is written to the audit log."""
        self._ring.check_open()
        raise self._ring.versions.does_not_open(self.key_id, hint)

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

        `source` is that of `encrypt_stream`. Every error comes with the part at fault, the error of a wrong tag with
        the first part. Raises as `Key.decrypt_stream` does.
        """
        return awaited(partial(self._key.decrypt_stream, aad=aad), source)

    def __repr__(self) -> str:
        """Show the name only."""
        return f"<{type(self).__name__} {self.key_id!r}>"


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


Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, Any]])


def in_greenlet(method: Method) -> Method:
    """Call the method of the ring in a greenlet."""

    @wraps(method)
    async def call(self: Any, *given: Any, **named: Any) -> Any:
        done = await greenlet_spawn(getattr(self._ring, method.__name__), *given, **named)
        return AsyncRevokedKey(done) if isinstance(done, RevokedKey) else done

    return cast("Method", call)


def to_its_end(method: Method) -> Method:
    """Call the method of the ring in a greenlet, whose end a task that is cancelled waits for once an HSM is called."""

    @wraps(method)
    async def call(self: Any, *given: Any, **named: Any) -> Any:
        copy = None
        if named.get("material") is not None and not isinstance(named["material"], Secret):
            # In place of the caller's, so that a traceback with its variables does not have that.
            copy = named["material"] = Secret.copy_of(named["material"])
        try:
            return await to_the_end(partial(getattr(self._ring, method.__name__), *given, **named))
        finally:
            if copy is not None:
                copy.wipe()

    return cast("Method", call)


def in_thread(method: Method) -> Method:
    """Call the method of a synchronous ring in a thread."""

    @wraps(method)
    async def call(self: Any, **named: Any) -> Any:
        return await self._in_thread(method.__name__, named)

    return cast("Method", call)
