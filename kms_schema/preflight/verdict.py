"""The result of a preflight: the plan, the clients that wait, and the problems."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kms_schema.preflight.plan import Plan


@dataclass(frozen=True)
class Work:
    """The work on a relation under one lock."""

    lock: str
    holds_up: str
    """The clients that wait meanwhile, as a sentence."""
    works: tuple[str, ...]
    seconds: float | None
    """An estimate of its duration; None if it is short, whatever the size."""


@dataclass(frozen=True)
class Held:
    """The effect of one revision on one relation that is in use."""

    revision: str
    relation: str
    rows: int | None
    """The server's estimate; None if the relation was never analyzed."""
    bytes: int
    works: tuple[Work, ...]


@dataclass(frozen=True)
class Disk:
    """Disk space that new indexes take."""

    needed_bytes: int
    free_bytes: int | None
    """Free space where the database is; None if this process cannot read it."""

    @property
    def enough(self) -> bool:
        """True if the space suffices, or the free space is unknown."""
        return self.free_bytes is None or self.needed_bytes <= self.free_bytes


@dataclass(frozen=True)
class Preflight:
    """The verdict: whether an upgrade may begin, with its plan."""

    database: str
    """The URL, without passwords."""
    server: str
    plan: Plan
    held: Sequence[Held]
    disk: Disk
    problems: Sequence[str] = field(default_factory=tuple)
    """Conditions that would stop the upgrade, each with what to do."""
    notes: Sequence[str] = field(default_factory=tuple)
    """Conditions that do not stop it."""

    @property
    def go(self) -> bool:
        """True if there are no problems."""
        return not self.problems


def size(count: float) -> str:
    """Return a number of bytes with its unit, such as `12 kB` for `size(12288)`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"
