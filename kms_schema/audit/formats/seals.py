"""Seals: checkpoints whose extension lines chain them, and cover the state of the sealer."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import Self

from kms_schema.audit.formats.checkpoints import LARGEST, Checkpoint, hash_from_base64, number
from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.formats.keys import SealKeyError, VerifierKey
from kms_schema.audit.formats.notes import NoteError
from kms_schema.audit.formats.texts import time_from_text, to_base64
from kms_schema.reading.times import time_to_text

NO_SEAL = bytes(32)
"""The previous hash of the first seal."""

_STATE = "kms-schema/audit-seal-state/v1"
_WORDS = {"time": 1, "seal": 2, "state": 1, "next-key": 1, "tombstone": 3}
"""The number of words after the name of a line."""


@dataclass(frozen=True)
class Tombstone:
    """The statement of a seal that the oldest entries have expired, are in an archive, and may be removed."""

    leaf_count: int
    """The number of their leaves, from the first on."""
    last_sequence: int
    """The highest sequence among them; an entry that was sealed later can have a lower one."""
    archive_sha256: bytes
    """The SHA-256 of the archive of the entries that no earlier tombstone names, 32 bytes."""

    def __post_init__(self) -> None:
        """Raise `EncodingError` if the values are not valid."""
        if any(type(each) is not int or not 1 <= each <= LARGEST for each in (self.leaf_count, self.last_sequence)):
            raise EncodingError("a tombstone is for at least one leaf, and for sequences from 1 on", reason="seal")
        if type(self.archive_sha256) is not bytes or len(self.archive_sha256) != 32:
            raise EncodingError("the hash of an archive has 32 bytes", reason="seal")

    def line(self) -> str:
        """Return the line of the seal."""
        return f"tombstone {self.leaf_count} {self.last_sequence} {to_base64(self.archive_sha256)}"


@dataclass(frozen=True)
class Bookkeeping:
    """The state that is stored with a seal, so that the next one takes every entry exactly once.

    A run includes its first and last sequence.
    """

    gaps: Sequence[tuple[int, int, int]]
    """The unsealed runs below `last_sequence`, ascending, each with the transaction id that ends it."""
    last_sequence: int | None
    """The highest sequence in any seal, None before the first."""
    snapshot_xmax: int | None = None
    """The xmax of PostgreSQL at the time of the seal; None on SQLite, which has no gaps."""
    system_identifier: str | None = None
    """The system identifier of PostgreSQL, in decimal digits: gaps are valid on this cluster only."""

    def __post_init__(self) -> None:
        """Raise `EncodingError` if runs are empty, out of order, or could be joined: a state has one text only."""
        if any(first > last for first, last, _ in self.gaps) or not all(starmap(_apart, pairwise(self.gaps))):
            raise EncodingError("runs of sequences must be ascending, and adjacent runs joined", reason="seal")
        if self.system_identifier is not None and str(_number(self.system_identifier)) != self.system_identifier:
            raise EncodingError("a system identifier is a decimal number", reason="seal")

    def text(self) -> str:
        """Return the canonical text: four lines after its name, with `none` for missing values.

        It does not list the sealed entries: the hash of each leaf covers its sequence.
        """
        gaps = [f" {first}..{last}:{xmax}" for first, last, xmax in self.gaps]
        return (
            f"{_STATE}\n"
            f"gaps{''.join(gaps) or ' none'}\n"
            f"last-sequence {_or_none(self.last_sequence)}\n"
            f"snapshot-xmax {_or_none(self.snapshot_xmax)}\n"
            f"system-identifier {_or_none(self.system_identifier)}\n"
        )

    def state(self) -> bytes:
        """Return the hash in the line `state` of a seal, 32 bytes."""
        return hashlib.sha256(self.text().encode("ascii")).digest()


@dataclass(frozen=True)
class Seal:
    """A checkpoint of the trail: number `number` in the chain of seals."""

    origin: str
    size: int
    root: bytes
    time: dt.datetime
    number: int
    """From 1, without gaps."""
    previous: bytes
    """The hash of the seal before this one, `NO_SEAL` in the first."""
    state: bytes
    """`Bookkeeping.state()`."""
    next_key: VerifierKey | None = None
    """The key that signs the seals after this one, if it changes."""
    tombstone: Tombstone | None = None

    def __post_init__(self) -> None:
        """Raise `EncodingError` if the values are not valid."""
        if self.time.tzinfo is None:
            raise EncodingError("the time of a seal needs a time zone", reason="seal")
        if not 1 <= self.number <= LARGEST or len(self.previous) != 32 or len(self.state) != 32:
            raise EncodingError("a seal has a number from 1 on, and hashes of 32 bytes", reason="seal")
        if (self.number == 1) != (self.previous == NO_SEAL):
            raise EncodingError("the first seal, and no other, has no seal before it", reason="seal")
        try:
            self.checkpoint()
        except NoteError as error:
            raise EncodingError(str(error), reason="seal") from None

    def checkpoint(self) -> Checkpoint:
        """Return the seal as a checkpoint."""
        lines = [
            f"time {time_to_text(self.time)}",
            f"seal {self.number} {to_base64(self.previous)}",
            f"state {to_base64(self.state)}",
        ]
        if self.next_key is not None:
            lines.append(f"next-key {self.next_key}")
        if self.tombstone is not None:
            lines.append(self.tombstone.line())
        return Checkpoint(self.origin, self.size, self.root, tuple(lines))

    def text(self) -> str:
        """Return the signed text."""
        return self.checkpoint().text()

    def hash(self) -> bytes:
        """Return the `previous` of the next seal: the SHA-256 of the text, 32 bytes."""
        return hashlib.sha256(self.text().encode()).digest()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the seal of a note's text.

        Raises `EncodingError` if the text is not exactly that of a seal. Unknown lines are refused, not ignored: this
        version could not interpret them, and could not make the signed text again from the columns.
        """
        try:
            checkpoint = Checkpoint.parse(text)
            words = _extensions(checkpoint.extensions)
            number_, previous = words["seal"]
            return cls(
                checkpoint.origin,
                checkpoint.size,
                checkpoint.root,
                time_from_text(words["time"][0]),
                number(number_),
                hash_from_base64(previous),
                hash_from_base64(words["state"][0]),
                VerifierKey.parse(words["next-key"][0]) if "next-key" in words else None,
                _tombstone(*words["tombstone"]) if "tombstone" in words else None,
            )
        except (NoteError, SealKeyError, ValueError) as error:
            raise EncodingError(f"not a seal: {error}", reason="seal") from None


def _apart(one: tuple[int, int, int], two: tuple[int, int, int]) -> bool:
    return one[1] + 1 < two[0] or (one[1] + 1 == two[0] and one[2] != two[2])


def _extensions(lines: Sequence[str]) -> dict[str, list[str]]:
    """Return the words of the lines `time`, `seal`, `state` and, if present, `next-key` and `tombstone`."""
    found = {name: words for name, *words in (line.split(" ") for line in lines)}
    names = ["time", "seal", "state", *(name for name in ("next-key", "tombstone") if name in found)]
    if [line.partition(" ")[0] for line in lines] != names or any(len(found[name]) != _WORDS[name] for name in names):
        raise EncodingError(
            "after origin, size and root a seal has the lines time, seal, state and perhaps next-key and tombstone; a"
            " newer version of this package may know others",
            reason="seal",
        )
    return found


def _tombstone(leaf_count: str, last_sequence: str, archive: str) -> Tombstone:
    return Tombstone(number(leaf_count), number(last_sequence), hash_from_base64(archive))


def _or_none(value: int | str | None) -> int | str:
    return "none" if value is None else value


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1
