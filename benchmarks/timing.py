"""Elapsed times of whole processes and of statements."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from statistics import median
from typing import TypeVar

Name = TypeVar("Name", str, int)


@dataclass(frozen=True)
class Times:
    """The times of the runs of one operation, in milliseconds."""

    milliseconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return median(self.milliseconds)

    @property
    def p95(self) -> float:
        """The 95th percentile (nearest rank)."""
        return sorted(self.milliseconds)[ceil(0.95 * len(self.milliseconds)) - 1]

    @property
    def least(self) -> float:
        """The minimum, which other processes of the machine affect least."""
        return min(self.milliseconds)


def in_turn(
    runs: Mapping[Name, Callable[[], object]],
    repetitions: int,
    before: Mapping[Name, Callable[[], object]] | None = None,
) -> dict[Name, Times]:
    """Run operations in turn, as `alternately` does with commands, and return their times. `before` maps an operation
    to a function that runs before it and is not timed. Every other round is in reverse order, since on a busy machine
    the second operation waits longer.
    """
    taken: dict[Name, list[float]] = {name: [] for name in runs}
    for repetition in range(repetitions + 1):
        for name in reversed(taken) if repetition % 2 else taken:
            if before and name in before:
                before[name]()
            start = time.perf_counter()
            runs[name]()
            taken[name].append((time.perf_counter() - start) * 1000)
    return {name: Times(tuple(times[1:])) for name, times in taken.items()}


def alternately(
    commands: Mapping[str, Sequence[str]], repetitions: int, environment: Mapping[str, str]
) -> dict[str, Times]:
    """Run commands in turn, `repetitions` times after a first run that is not counted, so that a slow machine slows all
    of them. Raises `CalledProcessError` if one fails.
    """

    def run(command: Sequence[str]) -> None:
        subprocess.run(command, check=True, capture_output=True, env=dict(environment))  # noqa: S603  (commands of the targets)

    return in_turn({name: partial(run, command) for name, command in commands.items()}, repetitions)
