"""Slow preparations, made by one of the test processes and shared by all."""

import fcntl
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Made = TypeVar("Made")


def once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """Return the result of `make` in a folder, which the first process fills.

    The result must be picklable. If `make` raises, the next process tries again.
    """
    base = folders.getbasetemp()
    common = base.parent if base.name.startswith("popen-") else base  # of a worker, and of all of them
    kept = common / f"{name}.pickle"
    with (common / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(make(Path(tempfile.mkdtemp(prefix=f"{name}-", dir=common)))))
        made: Made = pickle.loads(kept.read_bytes())  # noqa: S301  (written by this function)
    return made
