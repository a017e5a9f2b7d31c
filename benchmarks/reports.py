"""P20: a report about the quarter that has all entries, with the proofs of those that it quotes."""

import resource
import secrets
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.data.events import DAYS
from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import Times, in_turn
from kms_schema.audit import append, open_trail, seal
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.reports import Written, write_report
from support.engines import Database

SECONDS = 60
"""The most for ten million entries; shorter histories have the same limit."""


def measure(places: Places) -> list[Measured]:
    """Write a report of the longest history: every entry is hashed, and those that need a review are proven."""
    with places.copies([places.scale.longest]) as (database,):
        _sign(database)
        written: list[Written] = []
        processor: list[float] = []
        with tempfile.TemporaryDirectory(prefix="kms-benchmark-") as folder:

            def write() -> None:
                begin = time.process_time()
                written[:] = [_report(database, Path(folder) / "report.json")]
                processor.append((time.process_time() - begin) * 1000)

            times = in_turn({"report": write}, min(places.options.repetitions, 2))
    both = {"report": times["report"], "of it processor": Times(tuple(processor[1:]))}
    return _measured(written[0], both, places.scale.longest.events)


def _sign(database: Database) -> None:
    """Seal one entry more with a key: only a signed seal proves something."""
    with closing(database.connect()) as connection:
        trail = open_trail(connection)
        append(trail, event_type="BENCHMARK", event_category="LIFECYCLE", event_description="for a signed seal")
        list(seal(trail, SigningKey("bench", secrets.token_bytes(32))))


def _report(database: Database, path: Path) -> Written:
    last = datetime.now(UTC)
    period = f"{last - timedelta(days=DAYS + 1):%Y-%m-%d}..{last:%Y-%m-%d}"
    with closing(database.connect()) as connection:
        return write_report(connection, "pci-dss-4.0.1", period, path, style="json", record=False, replace=True)


def _measured(written: Written, times: dict[str, Times], entries: int) -> list[Measured]:
    quoted = [each["entries"] for each in written.document["claims"] if each["entries"]]
    proofs = sum(each["count"] - each["unproven"] for each in quoted)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    what = f"a report over {entries} entries"
    return [
        Measured(f"{what}, {proofs} of them proven", times["report"].median / 1000, Limit(SECONDS, unit=" s"), times),
        Measured(f"{what}: processor time of it", times["of it processor"].median / 1000, None, unit=" s"),
        Measured(f"{what}: memory of the process", megabytes, None, unit=" MB"),
    ]
