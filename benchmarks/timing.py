"""Times as whoever waits sees them, of whole processes and of statements."""

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
    """How long each run of one thing took, in milliseconds."""

    milliseconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return median(self.milliseconds)

    @property
    def p95(self) -> float:
        """What 95 of a hundred did not exceed (nearest rank)."""
        return sorted(self.milliseconds)[ceil(0.95 * len(self.milliseconds)) - 1]

    @property
    def least(self) -> float:
        """The quickest: what else the machine did meanwhile shows least in it."""
        return min(self.milliseconds)


def in_turn(
    runs: Mapping[Name, Callable[[], object]],
    repetitions: int,
    before: Mapping[Name, Callable[[], object]] | None = None,
) -> dict[Name, Times]:
    """Run each in turn, as `alternately` does with commands, and return how long they took; `before` each run that is
    named there something is done that does not count. Every other time the order is the other way round: on a busy
    machine who comes second waits longer.
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
    """Run each command in turn, as often as `repetitions` says after a first time that does not count, so that what
    slows the machine down slows down all of them. Raises `CalledProcessError` where one fails.
    """

    def run(command: Sequence[str]) -> None:
        subprocess.run(command, check=True, capture_output=True, env=dict(environment))  # noqa: S603

    return in_turn({name: partial(run, command) for name, command in commands.items()}, repetitions)
