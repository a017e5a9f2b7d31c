"""P4: the entries that a process verifies in a second, and its memory."""

import json
import subprocess
import sys

from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import Times
from support.engines import Database


def measure(places: Places) -> list[Measured]:
    """Verify a sealed audit trail in a separate process, once for each repetition.

    The rate is that of elapsed time: if the server shares the cores, it is lower than the process could reach. The
    processor time of the process is reported, too.
    """
    return _measured(places.prepared(places.scale.longest), places.options.repetitions)


def _measured(database: Database, repetitions: int) -> list[Measured]:
    words = [sys.executable, "-m", "benchmarks.verifying", database.url, str(repetitions)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: S603  (own program)
    result = json.loads(done.stdout)
    times = {name: Times(tuple(result[name])) for name in ("verify", "of it processor")}
    rate = result["entries"] / times["verify"].median
    entries = f"{result['entries']} entries"
    return [
        Measured(f"verify {entries}: thousands a second", rate, Limit(400, at_least=True), times),
        Measured(f"verify {entries}: memory", result["megabytes"], Limit(64, unit=" MB")),
    ]
