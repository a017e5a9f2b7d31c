"""P4: how many entries a process verifies in a second, and how much memory it takes."""

import json
import subprocess
import sys
from contextlib import closing

from benchmarks.audit_history import add_keys, fill, history
from benchmarks.places import new_database
from benchmarks.targets import Limit, Measured, Options
from benchmarks.timing import Times
from tests.engines import Database


def measure(options: Options) -> list[Measured]:
    """Verify a sealed trail in a process of its own, as often as repetitions say.

    The rate is that of the time which passes: where the server has to share the cores, less than what the process could
    do. Its own time of the processor is beside it.
    """
    with new_database(options.engine, options.server_url) as database:
        with closing(database.connect()) as connection:
            add_keys(connection)
            fill(connection, history(options))
        return _measured(database, options)


def _measured(database: Database, options: Options) -> list[Measured]:
    words = [sys.executable, "-m", "benchmarks.verifying", database.url, str(options.repetitions)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: S603
    said = json.loads(done.stdout)
    times = {name: Times(tuple(said[name])) for name in ("verify", "of it processor")}
    rate = said["entries"] / times["verify"].median
    entries = f"{said['entries']} entries"
    return [
        Measured(f"verify {entries}: thousands a second", database.engine_name, rate, Limit(400, at_least=True), times),
        Measured(f"verify {entries}: memory", database.engine_name, said["megabytes"], Limit(64, unit=" MB"), {}),
    ]
