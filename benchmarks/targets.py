"""What is promised, under the numbers that it has there, and what a measurement gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from benchmarks.timing import Times


@dataclass(frozen=True)
class Options:
    """What whoever measures can choose."""

    engine: str
    server_url: str | None
    repetitions: int
    foreign_tables: int


@dataclass(frozen=True)
class Measured:
    """One ratio, and the times that it comes from."""

    engine: str
    ratio: float
    times: Mapping[str, Times]


@dataclass(frozen=True)
class Target:
    """A ratio that is not to be exceeded; `module` has the function `measure` for it."""

    number: str
    what: str
    most: float
    module: str

    def measure(self, options: Options) -> Measured:
        """Measure it; takes from seconds to minutes."""
        function: Callable[[Options], Measured] = import_module(self.module).measure
        return function(options)


TARGETS = (Target("P7", "validator, whole process ÷ `alembic check`", 0.5, "benchmarks.validator"),)
"""Every target that can be measured so far."""
