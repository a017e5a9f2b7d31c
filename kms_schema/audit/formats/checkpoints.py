"""Checkpoints (https://c2sp.org/tlog-checkpoint): a text that states the tree of a trail, signed as a note."""

from dataclasses import dataclass
from typing import Self

from kms_schema.audit.formats.base64_text import from_base64, to_base64
from kms_schema.audit.formats.merkle import HASH_SIZE
from kms_schema.audit.formats.notes import NoteError, check_text

LARGEST = 2**63 - 1
"""The highest sequence, seal number and size: the highest bigint."""


@dataclass(frozen=True)
class Checkpoint:
    """The tree of `origin` has `size` leaves and the root `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Further lines, without a meaning for a checkpoint; a seal uses them."""

    def __post_init__(self) -> None:
        """Raise `NoteError` if the values are not valid."""
        if not 0 <= self.size <= LARGEST or len(self.root) != HASH_SIZE:
            raise NoteError(f"a checkpoint has a size from 0 to {LARGEST} and a root of {HASH_SIZE} bytes")
        lines = (self.origin, *self.extensions)
        if any(not line or "\n" in line for line in lines):
            raise NoteError("the origin and the extensions of a checkpoint are lines, and none is empty")
        check_text(self.text())

    def text(self) -> str:
        """Return the text of the note."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, to_base64(self.root), *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the checkpoint of a note's text, with unknown lines. Raises `NoteError`."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "":
            raise NoteError("a checkpoint has lines for origin, size and root, and ends with a newline")
        origin, size, root, *extensions = lines
        return cls(origin, number(size), hash_from_base64(root), tuple(extensions))


def number(text: str) -> int:
    """Return the number of decimal digits without leading zeros. Raises `NoteError`."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(LARGEST)) or str(int(text)) != text:
        raise NoteError(f"not a number: {text!r}")
    return int(text)


def hash_from_base64(text: str) -> bytes:
    """Return the hash of a base64 text, 32 bytes. Raises `NoteError`."""
    try:
        data = from_base64(text)
    except ValueError:
        data = b""
    if len(data) != HASH_SIZE:
        raise NoteError(f"not a hash in base64: {text!r}")
    return data
