"""Checkpoints of a trail, and those in files outside the database: external checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.formats.merkle import HASH_SIZE
from kms_schema.audit.formats.notes import Note, NoteError, check_text
from kms_schema.audit.formats.texts import from_base64, to_base64
from kms_schema.files.inputs import read_whole

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
            raise NoteError("the origin and the extensions of a checkpoint must be lines that are not empty")
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


@dataclass(frozen=True)
class ExternalCheckpoint:
    """A checkpoint, and its note; the note of an unsigned checkpoint has no signatures."""

    note: Note
    checkpoint: Checkpoint


def read_checkpoint(path: Path, keys: Sequence[VerifierKey] = ()) -> ExternalCheckpoint:
    """Return the checkpoint in a file, as `kms-schema audit seal` and `checkpoint` print it.

    path: a file with a signed note, or with the text of a checkpoint alone.
    keys: verifier keys whose signatures are verified. Other signatures are ignored, and none is required: an external
    checkpoint is as trustworthy as its place.

    Raises `NoteError`, a `ValueError`, if the file is not a checkpoint or a signature by one of `keys` is wrong, and
    `OSError` if it cannot be read. Example::

        checkpoint = read_checkpoint(Path("checkpoint.txt"), read_verifier_keys(Path("keys.txt"))).checkpoint
    """
    content = read_whole(path)
    if not content.strip():
        raise NoteError("the file is empty; fetch the checkpoint again: kms-schema audit checkpoint > checkpoint.txt")
    if b"\n\n" in content:
        note = Note.parse(content)
        claimed = {(each.name, each.key_id) for each in note.signatures}
        if known := [key for key in keys if (key.name, key.key_id) in claimed]:
            note.trusted(known)
    else:
        try:
            note = Note(content.decode(), ())
        except UnicodeDecodeError:
            raise NoteError("a checkpoint is UTF-8") from None
        check_text(note.text)
    return ExternalCheckpoint(note, Checkpoint.parse(note.text))
