"""The result of a verification."""

from collections.abc import Callable
from dataclasses import dataclass, field

_LISTED = 20
"""The most faults of entries that are listed, and of others; a trail that was cut has one for each entry."""

Progress = Callable[[str, int, int], None]
"""Receives the kind (`entries` or `leaves`), the number that is verified, and the total."""
Tell = Callable[[str, int], None]
"""Receives the kind and the number that is verified."""


@dataclass(frozen=True)
class Fault:
    """One difference from what was sealed: in an entry, by sequence and id, or in a seal."""

    message: str
    sequence: int | None = None
    entry: str | None = None
    seal: int | None = None


@dataclass
class VerificationResult:
    """The counts and faults of a verification."""

    entries: int = 0
    """Entries whose recomputed hash is the sealed one."""
    read: int = 0
    """Entries that were read by sequence, faulty ones included."""
    removed: int = 0
    """Entries that were removed under a tombstone."""
    unsealed: int = 0
    """Entries that no seal covers yet."""
    seals: int = 0
    unsigned: int = 0
    """Seals without a signature."""
    tree_size: int = 0
    checkpoints: int = 0
    """External checkpoints that the tree agrees with."""
    faults: list[Fault] = field(default_factory=list)
    against_time: int = 0
    """Entries whose time or id runs against the sequence: no fault, since a clock can be set back (SQLite)."""
    first_against_time: str | None = None
    """A sentence about the first of them."""
    more_faults: int = 0
    """Faults that are not listed."""

    @property
    def sound(self) -> bool:
        """True if there is no fault."""
        return not self.faults

    def join(self, other: "VerificationResult") -> None:
        """Add the result of another range of the trail, which comes after this one."""
        self.entries += other.entries
        self.read += other.read
        self.removed += other.removed
        self.unsealed += other.unsealed
        self.seals += other.seals
        self.unsigned += other.unsigned
        self.tree_size += other.tree_size
        self.checkpoints += other.checkpoints
        self.more_faults += other.more_faults
        for fault in other.faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """List a fault, or count it if there are too many to list."""
        if sum((each.sequence is None) == (fault.sequence is None) for each in self.faults) < _LISTED:
            self.faults.append(fault)
        else:
            self.more_faults += 1
