"""The performance targets with their numbers, and the results of measurements."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.timing import Times

if TYPE_CHECKING:
    from benchmarks.places import Places


@dataclass(frozen=True)
class Limit:
    """The limit of a measurement: a maximum or a minimum."""

    value: float
    at_least: bool = False
    unit: str = ""

    def met(self, measured: float) -> bool:
        """True if the value is within the limit."""
        return measured >= self.value if self.at_least else measured <= self.value

    def __str__(self) -> str:
        """Return the text for the table."""
        return f"{'≥' if self.at_least else '≤'} {self.value:g}{self.unit}"


@dataclass(frozen=True)
class Curve:
    """The cost of an operation over histories of different lengths."""

    name: str
    milliseconds: Mapping[int, float]
    """Milliseconds by number of audit entries."""

    @classmethod
    def of(cls, name: str, times: Mapping[int, Times], operations: int = 1) -> "Curve":
        """Return the medians of times over histories by length, each of a number of operations."""
        return cls(name, {entries: each.median / operations for entries, each in times.items()})


def over(times: Mapping[int, Times]) -> dict[str, Times]:
    """Return the times over histories, for a result."""
    return {f"over {entries}": each for entries, each in times.items()}


@dataclass(frozen=True)
class Sizes:
    """The size of a row of a table on disk, in bytes, including free space in pages."""

    table: str
    rows: int
    in_table: float
    """With the values stored in TOAST."""
    in_indexes: Mapping[str, float]
    """Sizes by names of indexes; a partial index is small because it contains few rows."""

    @property
    def each(self) -> float:
        """The total size of a row."""
        return self.in_table + sum(self.in_indexes.values())


@dataclass(frozen=True)
class Measured:
    """One number, usually a ratio, with its limit and measured times."""

    what: str
    value: float
    limit: Limit | None
    """None for a measurement that serves as comparison."""
    times: Mapping[str, Times] = field(default_factory=dict)
    unit: str = ""
    """The unit of the value, if there is no limit with a unit."""
    plan: str = ""
    """The indexes of a query; for a stall, the statement."""
    as_planned: bool = True
    """True if the plan uses the intended indexes."""
    curve: Curve | None = None
    sizes: Sizes | None = None

    @property
    def met(self) -> bool | None:
        """True if the value is within the limit; None without a limit."""
        return None if self.limit is None else self.limit.met(self.value) and self.as_planned


@dataclass(frozen=True)
class Target:
    """A target with its number; the function `measure` of `module` measures it."""

    number: str
    what: str
    module: str
    on_sqlite: bool = False
    """True if the target applies to SQLite."""

    def measure(self, places: "Places") -> Sequence[Measured]:
        """Measure the target, which takes seconds to minutes."""
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
    Target("P13", "encrypting with the ring", "benchmarks.ring", on_sqlite=True),
    Target("P14", "rotating keys that are due", "benchmarks.rotation_runs"),
    Target("P15", "re-encrypting under load", "benchmarks.reencryption", on_sqlite=True),
    Target("P16", "scraping the metrics", "benchmarks.scraping", on_sqlite=True),
    Target("P19", "deriving under a root", "benchmarks.roots", on_sqlite=True),
    Target("P20", "writing a report", "benchmarks.reports", on_sqlite=True),
    Target("P21", "writing an inventory", "benchmarks.inventory", on_sqlite=True),
)
"""All targets."""
