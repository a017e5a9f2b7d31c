"""Plaintext in memory, for as short a time as Python allows; the credentials of an HSM, JSON in an envelope."""

import hmac
import json
from contextlib import suppress
from typing import Any, ClassVar, NoReturn, Self

from kms_schema.crypto.errors import MaterialError, OpeningRefusedError

BytesLike = bytes | bytearray | memoryview


def check_bytes(**given: object) -> None:
    """Raise `TypeError` unless each argument has bytes, such as for a text, a number, or an array of other items.

    Ciphers take unsigned bytes. The message has the name of the argument, and not its value.

    check_bytes(data=data, aad=aad)
    """
    for name, each in given.items():
        try:
            view = memoryview(each)  # type: ignore[arg-type]
        except TypeError:
            hint = f": encode it, as with {name}.encode()" if isinstance(each, str) else ""
            raise TypeError(f"{name} takes bytes, not {type(each).__name__}{hint}") from None
        if view.format != "B" or view.ndim != 1 or not view.c_contiguous:
            raise TypeError(f"{name} takes bytes one after the other, not other or separate items: give bytes({name})")


class Secret:
    """Plaintext that is overwritten with zeros by `wipe`, at the end of a `with` block, or when it is collected.

    No `repr` shows it, and it can be neither pickled nor copied. `view` gives the bytes; a `bytes` object made of it is
    a copy that cannot be wiped. The page "crypto" of the documentation states which copies Python and the system may
    keep. Example::

        with Secret(bytearray(32)) as secret:
            encrypt(secret.view)
    """

    __slots__ = ("_buffer", "_view")

    def __init__(self, buffer: bytearray) -> None:
        """Take over `buffer`, which this object wipes. Raises `TypeError` for anything that cannot be wiped."""
        if not isinstance(buffer, bytearray):
            raise TypeError(f"a secret takes over a bytearray, not {type(buffer).__name__}")
        self._buffer = buffer
        self._view = memoryview(buffer).toreadonly()

    @classmethod
    def copy_of(cls, plaintext: BytesLike) -> Self:
        """Return a secret with a copy of `plaintext`; the caller wipes the original. Raises `TypeError`."""
        check_bytes(plaintext=plaintext)
        return cls(bytearray(plaintext))

    @property
    def view(self) -> memoryview:
        """The bytes, read only, without a copy. Raises `ValueError` after `wipe`: zeros are never used as a key."""
        if self._buffer:
            return self._view
        raise ValueError("this secret has been wiped")

    def wipe(self) -> None:
        """Overwrite the plaintext. Views of the plaintext cannot be used after this."""
        self._buffer[:] = bytes(len(self._buffer))
        with suppress(BufferError):  # a view of the view exists, and shows zeros
            self._view.release()
        self._buffer = bytearray()

    def is_constant(self) -> bool:
        """Return whether all bytes are the same, as in `bytes(32)`; False for fewer than 16, by chance."""
        return len(self._buffer) >= 16 and self._buffer.count(self._buffer[:1]) == len(self._buffer)

    def __len__(self) -> int:
        """The length in bytes; 0 once wiped."""
        return len(self._buffer)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time; secrets of different length differ at once."""
        return isinstance(other, Secret) and hmac.compare_digest(self._buffer, other._buffer)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # a hash reveals something about the secret

    def __repr__(self) -> str:
        """Show the length only."""
        return f"<{type(self).__name__} of {len(self)} bytes>" if self._buffer else f"<{type(self).__name__}, wiped>"

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle is a copy."""
        raise TypeError("a secret is neither pickled nor copied")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Wipe the secret, also after an exception."""
        self.wipe()

    def __del__(self) -> None:
        """Wipe a secret that was not wiped before."""
        if hasattr(self, "_view"):
            self.wipe()


class Credentials(dict[str, Any]):
    """A dictionary whose `repr` shows the names of its members, and never their values.

    Its values are Python strings, which cannot be wiped: drop it as soon as the login at the HSM is done.
    """

    def secret(self) -> Secret:
        """Return the credentials as JSON. Raises `MaterialError`, without a value, if JSON cannot express them."""
        try:
            text = json.dumps(self, separators=(",", ":"), sort_keys=True, allow_nan=False)
        except (TypeError, ValueError):
            text = None
        if text is None:  # outside the handler: the error of json would be the context, and quotes the value
            raise MaterialError("credentials are values of JSON: texts, numbers, lists and dictionaries")
        return Secret(bytearray(text.encode()))

    @classmethod
    def of(cls, secret: Secret) -> Self:
        """Return the credentials that `secret` wrote. Raises `OpeningRefusedError` if it is not a JSON object."""
        try:
            members = json.loads(bytes(secret.view))
        except ValueError:
            members = None
        if not isinstance(members, dict):
            raise OpeningRefusedError("the envelope opens, but does not contain credentials")
        return cls(members)

    def __repr__(self) -> str:
        """Show the names of the members only."""
        return f"<{type(self).__name__}: {', '.join(map(str, self)) or 'none'}>"

    __str__ = __repr__
