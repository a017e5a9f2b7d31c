"""A deployment: a server after bootstrap.sql, and the secrets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploying.servers import Deployment, server


@pytest.fixture
def deployment(engine_name: str, tmp_path: Path) -> Iterator[Deployment]:
    """A server of the engine's version, on which bootstrap.sql has run."""
    with server(int(engine_name.removeprefix("postgresql-")), tmp_path / "secrets") as deployed:
        done = deployed.bootstrap(deployed.secrets / "logins")
        assert (done.returncode, done.stderr) == (0, "")
        yield deployed
