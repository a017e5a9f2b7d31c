"""What a preflight found: the plan, what it holds up, and what stands against it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kms_schema.preflight.plan import Plan


@dataclass(frozen=True)
class Work:
    """What is done to a relation under one lock."""

    lock: str
    holds_up: str
    """Who waits meanwhile."""
    works: tuple[str, ...]
    seconds: float | None
    """About how long it takes; None for a moment."""


@dataclass(frozen=True)
class Held:
    """What one revision does to one relation that is in use."""

    revision: str
    relation: str
    rows: int | None
    """As the server estimates them; None where it has never looked."""
    bytes: int
    works: tuple[Work, ...]


@dataclass(frozen=True)
class Disk:
    """Room that new indexes and views take."""

    needed_bytes: int
    free_bytes: int | None
    """What is free where the database is, where this process can see that."""

    @property
    def enough(self) -> bool:
        """Whether it is, as far as can be seen."""
        return self.free_bytes is None or self.needed_bytes <= self.free_bytes


@dataclass(frozen=True)
class Preflight:
    """Whether an upgrade may begin, and what it would do."""

    database: str
    """The URL, without passwords."""
    server: str
    plan: Plan
    held: Sequence[Held]
    disk: Disk
    problems: Sequence[str] = field(default_factory=tuple)
    """What would stop the upgrade, each with what to do."""
    notes: Sequence[str] = field(default_factory=tuple)
    """What is worth knowing."""

    @property
    def go(self) -> bool:
        """Whether nothing is in the way."""
        return not self.problems


def size(count: float) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"
