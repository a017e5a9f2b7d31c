"""Which kills are tested, and what the end of the session says of them."""

from pathlib import Path

import pytest

from tests.engines import Engine, parse_names
from tests.interruption.chains import Chains
from tests.interruption.summary import Tally, lines

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the kills that `--kills` does not ask for out."""
    if config.getoption("--kills") == "all":
        return
    servers = [name for name in parse_names(config.getoption("--engines")) if not name.startswith("sqlite")]
    older = sorted(servers, key=lambda name: int(name.removeprefix("postgresql-")))[:-1]

    def is_left_out(item: pytest.Item) -> bool:
        return HERE in item.path.parents and (
            item.get_closest_marker("all_kills") is not None or item.callspec.params["engine_name"] in older  # type: ignore[attr-defined]
        )

    deselected = [item for item in items if is_left_out(item)]
    items[:] = [item for item in items if not is_left_out(item)]
    if deselected:
        config.hook.pytest_deselected(items=deselected)


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
