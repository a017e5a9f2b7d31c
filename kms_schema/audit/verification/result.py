"""What a verification says."""

from collections.abc import Callable
from dataclasses import dataclass, field

_SHOWN = 20
"""Faults of entries that are listed, and others; a trail that was cut has one for each entry."""

Progress = Callable[[str, int, int], None]
"""Is told what is verified, how much of it has been, and how much there is."""


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it was sealed: which entry it is, by sequence and id, or which seal, if it is one."""

    message: str
    sequence: int | None = None
    entry: str | None = None
    seal: int | None = None


@dataclass
class Verdict:
    """What a verification found."""

    entries: int = 0
    """Entries whose hash was made anew and is the sealed one."""
    removed: int = 0
    """Entries that are gone as a tombstone says."""
    unsealed: int = 0
    seals: int = 0
    unsigned: int = 0
    """Seals without a signature."""
    tree_size: int = 0
    checkpoints: int = 0
    """Checkpoints from elsewhere that the tree leads to."""
    faults: list[Fault] = field(default_factory=list)
    more_faults: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def join(self, other: "Verdict") -> None:
        """Add what was found in another part of the trail, which comes after this one."""
        self.entries += other.entries
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
        """Note a fault, by sequence, and count those that are too many to list."""
        if sum((each.sequence is None) == (fault.sequence is None) for each in self.faults) < _SHOWN:
            self.faults.append(fault)
        else:
            self.more_faults += 1
