"""The scales of a run: small, medium and full."""

from dataclasses import dataclass

from benchmarks.data.size import Size

WORKLOAD_EVENTS = 1_000_000
"""The size for which the targets of the hot queries are defined."""


@dataclass(frozen=True)
class Scale:
    """The sizes of one run."""

    name: str
    events: tuple[int, ...]
    """Audit entries of each history in comparisons, the shortest first."""
    keys: int
    due_among: int
    """The number of keys for `rotations_due`; half as many are compared with it."""
    due: int
    commits: int
    """Operations of each client in each round."""
    rows: int
    """Entries in one statement."""
    versions: tuple[int, int] = (10, 20)

    @property
    def histories(self) -> tuple[Size, ...]:
        """The databases in comparisons: the same keys with increasing numbers of entries."""
        return tuple(Size(events, self.keys, self.versions) for events in self.events)

    @property
    def longest(self) -> Size:
        """The size with most entries."""
        return self.histories[-1]

    @property
    def workload(self) -> Size:
        """The size for the hot queries."""
        return max((size for size in self.histories if size.events <= WORKLOAD_EVENTS), key=lambda size: size.events)

    def registry(self, keys: int) -> Size:
        """Return the size of a database with keys only, of which `due` are due."""
        return Size(0, keys, (1, 2), self.due)


SCALES = {
    scale.name: scale
    for scale in (
        Scale("tiny", (200, 600), 200, 60, due=5, commits=2, rows=200, versions=(2, 4)),
        Scale("small", (10_000, 100_000), 10_000, 10_000, due=100, commits=50, rows=10_000),
        Scale("medium", (100_000, 1_000_000), 100_000, 100_000, due=1_000, commits=500, rows=100_000),
        Scale("full", (100_000, 1_000_000, 10_000_000), 100_000, 1_000_000, due=1_000, commits=1_000, rows=100_000),
    )
}
"""Scales by name; the tests use tiny."""
