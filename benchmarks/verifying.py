"""The process that P4 measures: it imports the modules of `kms-schema audit verify`, and none of the tests."""

import json
import resource
import sys
import time
from pathlib import Path

from kms_schema.audit import open_trail, verify
from kms_schema.cli.connections import connected


def main(url: str, repetitions: int) -> None:
    """Print as JSON the time of each verification, in milliseconds, and the peak memory of this process."""
    passed, processor, entries = [], [], 0
    with connected(url) as connection:
        for _ in range(repetitions):
            began, began_processor = time.perf_counter(), time.process_time()
            with open_trail(connection).reading() as trail:
                verdict = verify(trail)
            assert verdict.sound, verdict.faults  # noqa: S101  (a failed verification is no measurement)
            entries = verdict.entries
            passed.append((time.perf_counter() - began) * 1000)
            processor.append((time.process_time() - began_processor) * 1000)
    result = {"verify": passed, "of it processor": processor, "entries": entries, "megabytes": _most_megabytes()}
    json.dump(result, sys.stdout)


def _most_megabytes() -> float:
    """Return the peak memory of this program; getrusage would include that of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / (1024 if sys.platform == "darwin" else 1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
