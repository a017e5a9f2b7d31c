"""The result of a run, as a document and a sentence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.moonshot.clients import Counts


@dataclass
class Outcome:
    """The figures of a run."""

    engine: str
    rows: int
    readers: int
    writers: int
    kills_asked: int
    """Of each of the two commands."""
    failures_shown: int = 0
    """Failed reads while a version was destroyed too early, before the run: 0 would mean that nothing is counted."""
    counts: Counts = field(default_factory=Counts)
    worker_kills: int = 0
    reencrypt_kills: int = 0
    reencrypt_runs: int = 0
    """Runs that were not killed: more than one where others kept rows locked, or encrypted with the old version."""
    left: int = 0
    """Rows with ciphertexts of the old version at the end."""
    unopened: int = 0
    """Rows that do not open at the end, each looked at once."""
    checked: int = 0
    """Rows that open at the end."""
    destroyed: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    """By phases."""

    @property
    def failed_decryptions(self) -> int:
        """The reads that failed, by clients and at the end."""
        return self.counts.failed_reads.total() + self.unopened

    @property
    def met(self) -> bool:
        """True if nothing failed and nothing is left, and the commands were killed as often as was asked for."""
        return (
            self.failures_shown > 0
            and self.destroyed
            and not (self.failed_decryptions or self.counts.failed_writes or self.counts.lost_writes or self.left)
            and min(self.worker_kills, self.reencrypt_kills) == self.kills_asked
        )

    def document(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """Return everything, for JSON."""
        found = {**asdict(self), **found_in(self.counts)}
        del found["counts"]
        return {**more, **found, "failed_decryptions": self.failed_decryptions, "met": self.met, "text": str(self)}

    def __str__(self) -> str:
        """Return the result as a sentence."""
        total, counts = sum(self.seconds.values()), self.counts
        ended = "destroyed" if self.destroyed else "not destroyed"
        return (
            f"{self.engine}, {self.rows} rows: {self.failed_decryptions} failed decryptions, {self.left} rows left"
            f" under the old version, which is {ended}; {counts.reads} values read and {counts.writes} written"
            f" meanwhile ({counts.failed_writes.total()} writes failed, {counts.lost_writes} lost),"
            f" {self.worker_kills} kills of the worker and {self.reencrypt_kills} of reencrypt, {total:.1f} seconds"
        )


def found_in(counts: Counts) -> dict[str, Any]:
    """Return the counts of clients, for JSON."""
    return {**asdict(counts), "failed_reads": dict(counts.failed_reads), "failed_writes": dict(counts.failed_writes)}
