"""Seals: checkpoints of the trail whose further lines chain them and bind what the database notes about them."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import Self

from kms_schema.audit.base64_text import to_base64
from kms_schema.audit.checkpoints import LARGEST, Checkpoint, CheckpointError, hash_from_base64, number
from kms_schema.audit.keys import SealKeyError, VerifierKey
from kms_schema.audit.times import time_from_text, time_to_text

NO_SEAL = bytes(32)
"""What the first seal has for the hash of the one before it."""

_STATE = "kms-schema/audit-seal-state/v1"


class SealError(ValueError):
    """This text is no seal, or there can be no such seal."""


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
            time, chain, state, next_key = _extensions(checkpoint.extensions)
            number_, previous = chain
            return cls(
                checkpoint.origin,
                checkpoint.size,
                checkpoint.root,
                time_from_text(time),
                number(number_),
                hash_from_base64(previous),
                hash_from_base64(state),
                None if next_key is None else VerifierKey.parse(next_key),
            )
        except (CheckpointError, SealKeyError, ValueError) as error:
            raise SealError(f"no seal: {error}") from None


def _apart(one: tuple[int, int, int], two: tuple[int, int, int]) -> bool:
    return one[1] + 1 < two[0] or (one[1] + 1 == two[0] and one[2] != two[2])


def _extensions(lines: Sequence[str]) -> tuple[str, tuple[str, str], str, str | None]:
    """Return what stands after the words `time`, `seal`, `state` and, where it is there, `next-key`."""
    found = [line.split(" ") for line in lines]
    shape = [(line[0], len(line)) for line in found]
    expected = [("time", 2), ("seal", 3), ("state", 2), ("next-key", 2)]
    if shape not in (expected, expected[:3]):
        raise SealError(
            "after origin, size and root a seal has the lines time, seal, state and perhaps next-key; a newer version"
            " of this package may know others"
        )
    time, chain, state, *next_key = found
    return time[1], (chain[1], chain[2]), state[1], next_key[0][1] if next_key else None


def _or_none(value: int | str | None) -> int | str:
    return "none" if value is None else value


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1
