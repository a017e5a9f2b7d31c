"""What is promised, under the numbers that it has there, and what a measurement gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from benchmarks.timing import Times

Scale = Literal["small", "medium", "full"]


@dataclass(frozen=True)
class Options:
    """What whoever measures can choose."""

    engine: str
    server_url: str | None
    repetitions: int
    foreign_tables: int
    scale: Scale = "small"
    """How much is in the database: small takes seconds, full is what the targets are about, and takes long."""


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
class Measured:
    """One number, a ratio as a rule, with its limit and the times that it comes from."""

    what: str
    engine: str
    value: float
    limit: Limit
    times: Mapping[str, Times]

    @property
    def met(self) -> bool:
        """Whether the limit is kept."""
        return self.limit.met(self.value)


@dataclass(frozen=True)
class Target:
    """What is promised under a number; `module` has the function `measure` for it."""

    number: str
    module: str

    def measure(self, options: Options) -> Sequence[Measured]:
        """Measure it; takes from seconds to minutes."""
        function: Callable[[Options], Sequence[Measured]] = import_module(self.module).measure
        return function(options)


TARGETS = (
    Target("P3", "benchmarks.audit_insert"),
    Target("P4", "benchmarks.audit_verify"),
    Target("P5", "benchmarks.audit_seal"),
    Target("P7", "benchmarks.validator"),
)
"""Every target that can be measured so far."""
