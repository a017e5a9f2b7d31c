"""Seals: checkpoints of the trail whose further lines chain them and bind what the database notes about them."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import Self

from kms_schema.audit.formats.base64_text import to_base64
from kms_schema.audit.formats.checkpoints import LARGEST, Checkpoint, CheckpointError, hash_from_base64, number
from kms_schema.audit.formats.keys import SealKeyError, VerifierKey
from kms_schema.audit.formats.timestamps import time_from_text, time_to_text

NO_SEAL = bytes(32)
"""What the first seal has for the hash of the one before it."""

_STATE = "kms-schema/audit-seal-state/v1"
_WORDS = {"time": 1, "seal": 2, "state": 1, "next-key": 1, "tombstone": 3}
"""How many words follow the name of a line."""


class SealError(ValueError):
    """This text is no seal, or there can be no such seal."""


@dataclass(frozen=True)
class Tombstone:
    """What a seal says of the oldest entries: they are past their retention period, exported, and may be removed."""

    leaf_count: int
    """They are those of so many leaves, from the first on."""
    last_sequence: int
    """The sequence of the last of them; no other entry has a lower one."""
    archive_sha256: bytes
    """The hash of the file that those went to which no earlier tombstone had, 32 bytes."""

    def __post_init__(self) -> None:
        """Raise `SealError` where there can be no such tombstone."""
        if any(type(each) is not int or not 1 <= each <= LARGEST for each in (self.leaf_count, self.last_sequence)):
            raise SealError("a tombstone is for at least one leaf, and for sequences from 1 on")
        if type(self.archive_sha256) is not bytes or len(self.archive_sha256) != 32:
            raise SealError("the hash of an archive has 32 bytes")

    def line(self) -> str:
        """Return the line of a seal that says so."""
        return f"tombstone {self.leaf_count} {self.last_sequence} {to_base64(self.archive_sha256)}"


@dataclass(frozen=True)
class Bookkeeping:
    """What the database notes with a seal so that the next one finds every entry exactly once.

    All runs are from their first to their last sequence, both included.
    """

    gaps: Sequence[tuple[int, int, int]]
    """The runs below `last_sequence` that are not sealed yet, ascending, each with the transaction id that ends it."""
    last_sequence: int | None
    """The greatest sequence that any seal has closed, None before the first."""
    snapshot_xmax: int | None = None
    """PostgreSQL's, when the seal was made. None on SQLite, which has no gaps."""
    system_identifier: str | None = None
    """PostgreSQL's, in decimal digits: gaps mean nothing on another server."""

    def __post_init__(self) -> None:
        """Raise `SealError` where runs are empty, out of order, or could be one: a state has one text only."""
        if any(first > last for first, last, _ in self.gaps) or not all(starmap(_apart, pairwise(self.gaps))):
            raise SealError("runs of sequences are ascending, and what can be one run is one")
        if self.system_identifier is not None and str(_number(self.system_identifier)) != self.system_identifier:
            raise SealError("a system identifier is a decimal number")

    def text(self) -> str:
        """Return the canonical text: four lines after its name, `none` for what is not there.

        Which entries a seal closes is not in it: each leaf is a hash of its sequence, too.
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
        """Return the hash that a seal has of it, 32 bytes."""
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
    """The key that signs the seals after this one, where that changes."""
    tombstone: Tombstone | None = None

    def __post_init__(self) -> None:
        """Raise `SealError` where there can be no such seal."""
        if self.time.tzinfo is None:
            raise SealError("the time of a seal needs a time zone")
        if not 1 <= self.number <= LARGEST or len(self.previous) != 32 or len(self.state) != 32:
            raise SealError("a seal has a number from 1 on, and hashes of 32 bytes")
        if (self.number == 1) != (self.previous == NO_SEAL):
            raise SealError("the first seal, and no other, has no seal before it")
        try:
            self.checkpoint()
        except CheckpointError as error:
            raise SealError(str(error)) from None

    def checkpoint(self) -> Checkpoint:
        """Return the seal as the checkpoint that it is."""
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
        """Return the text that is signed."""
        return self.checkpoint().text()

    def hash(self) -> bytes:
        """Return what the next seal has as `previous`: the SHA-256 of the text, 32 bytes."""
        return hashlib.sha256(self.text().encode()).digest()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the seal that a note's text is.

        Raises `SealError` where the text is not exactly that of a seal. An unknown line is refused, not passed over: it
        would be signed without anybody knowing what it says, and the text could not be made again from the columns.
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
        except (CheckpointError, SealKeyError, ValueError) as error:
            raise SealError(f"no seal: {error}") from None


def _apart(one: tuple[int, int, int], two: tuple[int, int, int]) -> bool:
    return one[1] + 1 < two[0] or (one[1] + 1 == two[0] and one[2] != two[2])


def _extensions(lines: Sequence[str]) -> dict[str, list[str]]:
    """Return the words of the lines `time`, `seal`, `state` and, where they are there, `next-key` and `tombstone`."""
    found = {name: words for name, *words in (line.split(" ") for line in lines)}
    names = ["time", "seal", "state", *(name for name in ("next-key", "tombstone") if name in found)]
    if [line.partition(" ")[0] for line in lines] != names or any(len(found[name]) != _WORDS[name] for name in names):
        raise SealError(
            "after origin, size and root a seal has the lines time, seal, state and perhaps next-key and tombstone; a"
            " newer version of this package may know others"
        )
    return found


def _tombstone(leaf_count: str, last_sequence: str, archive: str) -> Tombstone:
    return Tombstone(number(leaf_count), number(last_sequence), hash_from_base64(archive))


def _or_none(value: int | str | None) -> int | str:
    return "none" if value is None else value


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1
