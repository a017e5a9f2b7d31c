"""What is promised, under the numbers that it has there, and what a measurement gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.timing import Times

if TYPE_CHECKING:
    from benchmarks.places import Places


@dataclass(frozen=True)
class Limit:
    """What a measurement may not exceed, or may not fall short of."""

    value: float
    at_least: bool = False
    unit: str = ""

    def met(self, measured: float) -> bool:
        """Whether it is kept."""
        return measured >= self.value if self.at_least else measured <= self.value

    def __str__(self) -> str:
        """Return it as the table has it."""
        return f"{'≥' if self.at_least else '≤'} {self.value:g}{self.unit}"


@dataclass(frozen=True)
class Curve:
    """What one operation costs over histories of different lengths."""

    name: str
    milliseconds: Mapping[int, float]
    """By the number of audit entries."""

    @classmethod
    def of(cls, name: str, times: Mapping[int, Times], operations: int = 1) -> "Curve":
        """Return the medians of what was timed over histories by their lengths, each time so many operations."""
        return cls(name, {entries: each.median / operations for entries, each in times.items()})


def over(times: Mapping[int, Times]) -> dict[str, Times]:
    """Return what was timed over histories as a result names it."""
    return {f"over {entries}": each for entries, each in times.items()}


@dataclass(frozen=True)
class Sizes:
    """What a row of a table takes on the disk, in bytes: as it has grown, with the room that its pages keep free."""

    table: str
    rows: int
    in_table: float
    """With what is stored beside the table (TOAST)."""
    in_indexes: Mapping[str, float]
    """By the names of the indexes; a partial one takes so little since it has few of the rows."""

    @property
    def each(self) -> float:
        """What a row takes in all."""
        return self.in_table + sum(self.in_indexes.values())


@dataclass(frozen=True)
class Measured:
    """One number, a ratio as a rule, with its limit and the times that it comes from."""

    what: str
    value: float
    limit: Limit | None
    """None for what is measured to compare with."""
    times: Mapping[str, Times] = field(default_factory=dict)
    unit: str = ""
    """Of the value, where there is no limit that has one."""
    plan: str = ""
    """The indexes that a query goes by; of a stall, the statement."""
    as_planned: bool = True
    """Whether it goes by those that are there for it."""
    curve: Curve | None = None
    sizes: Sizes | None = None

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        return None if self.limit is None else self.limit.met(self.value) and self.as_planned


@dataclass(frozen=True)
class Target:
    """What is promised under a number; `module` has the function `measure` for it."""

    number: str
    what: str
    module: str
    on_sqlite: bool = False
    """Whether there is something to measure on SQLite."""

    def measure(self, places: "Places") -> Sequence[Measured]:
        """Measure it; takes from seconds to minutes."""
        function: Callable[[Places], Sequence[Measured]] = import_module(self.module).measure
        return function(places)


TARGETS = (
    Target("P1", "reading the views", "benchmarks.views_read", on_sqlite=True),
    Target("P2", "refreshing the views", "benchmarks.views_refresh"),
    Target("P3", "audit inserts", "benchmarks.audit_insert"),
    Target("P4", "verifying the trail", "benchmarks.audit_verify", on_sqlite=True),
    Target("P5", "sealing", "benchmarks.audit_seal", on_sqlite=True),
    Target("P6", "upgrading under load", "benchmarks.upgrade"),
    Target("P7", "the validator", "benchmarks.validator", on_sqlite=True),
    Target("P8", "the hot queries", "benchmarks.queries", on_sqlite=True),
    Target("P9", "partial indexes", "benchmarks.index_sizes"),
    Target("P10", "what is due for rotation", "benchmarks.rotations_due", on_sqlite=True),
    Target("P11", "counting use", "benchmarks.counting"),
    Target("P12", "importing keys", "benchmarks.importing", on_sqlite=True),
)
"""All of them."""
