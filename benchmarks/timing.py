"""Times of whole processes, as whoever waits for them sees them."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Times:
    """How long each run of one thing took, in milliseconds."""

    milliseconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return median(self.milliseconds)

    @property
    def least(self) -> float:
        """The quickest: what else the machine did meanwhile shows least in it."""
        return min(self.milliseconds)


def alternately(
    commands: Mapping[str, Sequence[str]], repetitions: int, environment: Mapping[str, str]
) -> dict[str, Times]:
    """Run each command in turn, as often as `repetitions` says after a first time that does not count, so that what
    slows the machine down slows down all of them. Raises `CalledProcessError` where one fails.
    """
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repetitions + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=dict(environment))  # noqa: S603
            taken[name].append((time.perf_counter() - start) * 1000)
    return {name: Times(tuple(times[1:])) for name, times in taken.items()}
