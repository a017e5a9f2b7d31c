"""What the end of the session says of kills."""

import pytest

from support.engines import Engine
from tests.migrations.interruption.chains import Chains
from tests.migrations.interruption.summary import Tally, lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many statements there were, and how many kills."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    if counted := lines(reports):
        terminalreporter.section("migrations that were killed after a statement")
        for line in counted:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def chains_by_engine() -> dict[str, Chains]:
    return {}


@pytest.fixture
def chains(chains_by_engine: dict[str, Chains], engine: Engine) -> Chains:
    """The chains of the engine that the test runs on."""
    if engine.name not in chains_by_engine:
        chains_by_engine[engine.name] = Chains(engine)
    return chains_by_engine[engine.name]


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    return Tally(request)
