"""Plaintext in memory, for as short as Python allows."""

import hmac
from contextlib import suppress
from types import TracebackType
from typing import NoReturn, Self

BytesLike = bytes | bytearray | memoryview


class Secret:
    """Plaintext that is overwritten with zeros at `wipe`, at the end of a `with` block, or when it is collected.

    It shows itself in no `repr`, and can be neither pickled nor copied. `view` is for what needs the bytes; whoever
    makes `bytes` of it has a copy that nobody can wipe. docs/crypto.md says what Python and the system keep.
    """

    __slots__ = ("_buffer", "_view")

    def __init__(self, buffer: bytearray) -> None:
        """Take `buffer` over: it is this object that wipes it."""
        self._buffer = buffer
        self._view = memoryview(buffer).toreadonly()

    @classmethod
    def copy_of(cls, plaintext: BytesLike) -> Self:
        """Return a secret of its own; what it was copied from is the caller's to wipe."""
        return cls(bytearray(plaintext))

    @property
    def view(self) -> memoryview:
        """The bytes, read only, without a copy. After `wipe` it raises `ValueError`: nobody encrypts under zeros."""
        if self._buffer:
            return self._view
        raise ValueError("this secret has been wiped")

    def wipe(self) -> None:
        """Overwrite the plaintext. Views of it that were handed out can be used no more."""
        self._buffer[:] = bytes(len(self._buffer))
        with suppress(BufferError):  # somebody holds a view of the view; there are zeros in it
            self._view.release()
        self._buffer = bytearray()

    def __len__(self) -> int:
        """The length in bytes; 0 once wiped."""
        return len(self._buffer)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time; secrets of different length differ at once."""
        return isinstance(other, Secret) and hmac.compare_digest(self._buffer, other._buffer)

    __hash__ = None  # type: ignore[assignment]  # a hash of a secret says something about it

    def __repr__(self) -> str:
        """Say how long it is and no more."""
        return f"<{type(self).__name__} of {len(self)} bytes>" if self._buffer else f"<{type(self).__name__}, wiped>"

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle is a copy."""
        raise TypeError("a secret is neither pickled nor copied")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wipe it, whatever happened."""
        self.wipe()

    def __del__(self) -> None:
        """Wipe what nobody wiped."""
        if hasattr(self, "_view"):
            self.wipe()
