"""P21: an inventory of 100,000 versions in each format, as whole processes: elapsed time and peak memory."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.data.size import Size
from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import in_turn
from kms_schema.inventory import FORMS, Form
from support.engines import Database

PROGRAM = """
import sys, time
from kms_schema.cli import run
status = run(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), time.process_time())
sys.exit(status)
"""
"""Runs a command, then prints its peak memory in kilobytes and its processor time in seconds."""
KEYS = 6_700
"""With 10 to 20 versions each."""
LIMIT = Limit(10, unit=" s")
REPETITIONS = 3


def measure(places: Places) -> list[Measured]:
    """Write an inventory in each format in turn; the larger databases of a scale have ten times as many versions."""
    longest = places.scale.longest
    size = longest if longest.keys <= KEYS else Size(0, KEYS)
    database = places.prepared(size)
    used: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(prefix="kms-benchmark-") as folder:
        runs: dict[str, Callable[[], object]] = {
            form: partial(_write, database, Path(folder) / form, form, used) for form in FORMS
        }
        times = in_turn(runs, min(REPETITIONS, places.options.repetitions))
        written = (Path(folder) / "csv").read_text(encoding="utf-8").count("\nversion,")
    return [
        *(
            Measured(f"inventory of {written} versions, {form}", each.median / 1000, LIMIT, {form: each})
            for form, each in times.items()
        ),
        *(
            Measured(f"to compare: processor time of {form}", processor, None, unit=" s")
            for form, (_, processor) in used.items()
        ),
        *(
            Measured(f"to compare: peak memory of {form}", megabytes, None, unit=" MB")
            for form, (megabytes, _) in used.items()
        ),
    ]


def _write(database: Database, output: Path, form: Form, used: dict[str, tuple[float, float]]) -> None:
    style, _, version = form.partition("-")
    given = ["--cyclonedx-version", version] if version else []
    words = ["inventory", "--no-record", "--quiet", "--force", "--format", style, *given, "--output", str(output)]
    environment = {**os.environ, "KMS_DATABASE_URL": database.url}
    command = [sys.executable, "-c", PROGRAM, *words]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603  (our own)
    kilobytes, processor = said.stdout.split()
    used[form] = (int(kilobytes) / 1024, float(processor))
