"""`alembic` as processes of their own, several at once."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from support.engines.programs import REPOSITORY
from support.programs import python


@dataclass(frozen=True)
class Finished:
    """The result of a process."""

    status: int
    said: str
    """Its standard error, where Alembic logs."""


def start_alembic(url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `alembic -x url=URL ARGUMENTS` and go on."""
    return python.Popen(
        [sys.executable, "-m", "alembic", "-x", f"url={url}", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_at_once(number: int, url: str, *arguments: str, seconds: float) -> list[Finished]:
    """Run a command of Alembic in `number` processes; raises `TimeoutExpired` if they take longer than `seconds`."""
    deadline = time.monotonic() + seconds
    started = [start_alembic(url, *arguments) for _ in range(number)]
    try:
        said = [process.communicate(timeout=max(deadline - time.monotonic(), 0.1))[1] for process in started]
    finally:
        for process in started:
            process.kill()
    return [Finished(process.returncode, text) for process, text in zip(started, said, strict=True)]
