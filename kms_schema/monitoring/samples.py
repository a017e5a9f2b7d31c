"""The results of a scrape: plain values, which the exporter writes and `check` compares with limits."""

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from kms_schema.monitoring.names import (
    COLLECTOR_DURATION,
    COLLECTOR_OMITTED,
    COLLECTOR_SKIPPED,
    COLLECTOR_SUCCESS,
    COLLECTOR_TIME,
    Part,
)


class Sample(NamedTuple):
    """One value of a metric."""

    name: str
    """As in `names.METRICS`."""
    value: float
    labels: tuple[str, ...] = ()
    """The values of the labels, in the order of the registry."""


class Read(NamedTuple):
    """The result of reading a part."""

    samples: list[Sample]
    omitted: int | None = None
    """The number of single keys that have no series; None for a part without such series."""
    skipped: str | None = None
    """The reason for which the database cannot have what the part reads."""


@dataclass(frozen=True)
class PartResult:
    """A part of a snapshot: its samples, or the reason that it has no samples."""

    part: Part
    seconds: float
    samples: tuple[Sample, ...] = ()
    omitted: int | None = None
    """The number of single keys that have no series, because there are too many; None where keys have no series."""
    skipped: str | None = None
    """The reason, if the database does not have what the part reads."""
    error: str | None = None
    """The reason, if the part failed."""

    def exported(self) -> Iterator[Sample]:
        """Yield the samples of the part, and samples about the part itself. A failed part has one: its success, 0."""
        if self.error is not None:
            yield Sample(COLLECTOR_SUCCESS, 0, (self.part,))
        elif self.skipped is not None:
            yield Sample(COLLECTOR_SKIPPED, 1, (self.part, self.skipped))
        else:
            yield Sample(COLLECTOR_SUCCESS, 1, (self.part,))
            yield Sample(COLLECTOR_DURATION, self.seconds, (self.part,))
            if self.omitted is not None:
                yield Sample(COLLECTOR_OMITTED, self.omitted, (self.part,))
            yield from self.samples


@dataclass(frozen=True)
class Snapshot:
    """All parts, read from one snapshot of the database."""

    at: dt.datetime | None
    """The time of the snapshot by the clock of the database; None if it could not be read."""
    parts: tuple[PartResult, ...]
    taken: float = field(default_factory=time.time, compare=False)
    """The time by the clock of this process, as a Unix timestamp."""
    by_name: dict[str, list[Sample]] = field(init=False, repr=False, compare=False)
    """The samples of each metric."""

    def __post_init__(self) -> None:
        """Order the samples by metric."""
        found: dict[str, list[Sample]] = {}
        found[COLLECTOR_TIME] = [Sample(COLLECTOR_TIME, self.taken)]
        for part in self.parts:
            for sample in part.exported():
                found.setdefault(sample.name, []).append(sample)
        object.__setattr__(self, "by_name", found)

    def value(self, name: str, *labels: str) -> float | None:
        """Return the value of a metric with these labels; None if it is absent.

        assert snapshot.value("kms_collector_success", "keys") == 1
        """
        return next((each.value for each in self.by_name.get(name, ()) if each.labels == labels), None)

    def failures(self) -> dict[Part, str]:
        """Return the parts that failed, with the reasons."""
        return {each.part: each.error for each in self.parts if each.error is not None}
