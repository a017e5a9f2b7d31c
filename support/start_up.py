"""What a worker does once, so that neither it nor the programs that it starts do it again and again.

A worker compiles its share of the test modules and the others read the bytecode; there are as many cores as shares.
Objects that live until the end are not searched for garbage.
"""

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

OBJECTS_BETWEEN_COLLECTIONS = 50_000


def write_bytecode() -> None:
    """Write bytecode even where the environment says not to: hundreds of processes would compile the same modules."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


class StartUp:
    """A plugin of each worker."""

    def __init__(self, worker: str, workers: int) -> None:
        """Take the share of `worker`, such as `gw1`, of `workers`."""
        self._worker = int(worker.removeprefix("gw"))
        self._workers = workers

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Import a share of the modules; the collection imports the others, and says what is wrong with any."""
        for module in sorted(_modules(session.config))[self._worker :: self._workers]:
            with contextlib.suppress(Exception):
                importlib.import_module(module)

    def pytest_collection_finish(self) -> None:
        """Leave out of the search for garbage what has been imported and collected."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def _modules(config: pytest.Config) -> Iterator[str]:
    for argument in config.args:
        place = (config.invocation_params.dir / argument.split("::")[0]).resolve()
        for path in [place] if place.is_file() else place.rglob("test_*.py"):
            if path.is_relative_to(config.rootpath):
                yield ".".join(Path(path).relative_to(config.rootpath).with_suffix("").parts)
