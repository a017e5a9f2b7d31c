"""What takes long to make, made by one of the processes that run the tests, and taken by all of them."""

import fcntl
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Made = TypeVar("Made")


def once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """Return what `make` makes in a folder, which the first process that asks for it fills.

    What it makes must be picklable. If it raises, the next process tries again.
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
