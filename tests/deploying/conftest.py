"""The application of examples/, installed once for the tests of a process."""

from collections.abc import Iterator

import pytest

from tests.deploying.installed import Installed, installed_on


@pytest.fixture(scope="session")
def installed(engine_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The application with its database, keys and logins; tests leave the keys active."""
    with installed_on(engine_name, tmp_path_factory.mktemp("deployed")) as made:
        yield made
