"""Each command of the examples against a server, as the login that its file names.

The application is left to the tests of the web application. The Jobs of Kubernetes have run where `installed` was made.
"""

from pathlib import Path

import pytest

from support.engines import Engine
from support.engines.client_programs import client
from support.engines.postgresql import PostgresqlEngine, psycopg_url
from tests.deploying import compose
from tests.deploying.containers import EXAMPLES
from tests.deploying.installed import Installed
from tests.deploying.kubernetes import PODS
from tests.deploying.systemd import SERVICES

SCHEDULED = ("kms-rotations", "kms-seal", "kms-refresh", "kms-retain", "kms-validate")
UNITS = (
    "kms-upgrade.service",
    "kms-rotations.service",
    "kms-seal.service",
    "kms-refresh.service",
    "kms-retain.service",
)


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_each_command_runs(installed: Installed, tmp_path: Path) -> None:
    for name in SCHEDULED:
        installed.run_pod(name)
    for name in compose.OURS.keys() - {"invoices"}:
        more = {"rotations": ["--once"], "keeper": ["keys", "list"]}.get(name, [])
        compose.container(name, installed.secrets).with_more(more).succeeds(tmp_path / name)
    for name in UNITS:
        for number, command in enumerate(SERVICES[name].containers(installed.secrets, tmp_path)):
            command.succeeds(tmp_path / f"{name}-{number}")
    assert passwords_in_the_log(installed) == []


@pytest.mark.only_on("postgresql")
def test_the_bootstrap_refuses_to_make_logins_without_passwords(engine: Engine, tmp_path: Path) -> None:
    assert isinstance(engine, PostgresqlEngine)
    address = psycopg_url(engine.url)
    options = ("-X", "-v", "ON_ERROR_STOP=1", "-v", f"secrets={tmp_path}", "-f", f"{EXAMPLES}/postgresql/bootstrap.sql")
    done = client("psql", address, *options)
    assert done.returncode == 3
    assert "there are no 8 files of logins: run make-secrets" in done.stderr
    with engine.administer() as connection:
        assert connection.execute("SELECT FROM pg_roles WHERE rolname = 'kms_owner'").fetchall() == []


def test_no_command_is_left_out() -> None:
    assert {*SCHEDULED, "kms-upgrade", "invoices-upgrade", "invoices"} == PODS.keys()
    assert {*UNITS, "kms-invoices.service", "kms-metrics.service"} == SERVICES.keys()


def passwords_in_the_log(installed: Installed) -> list[str]:
    """Return the logins whose password the server has logged. It logs every statement, but for bootstrap.sql's."""
    log = installed.log.read_text(encoding="utf-8", errors="replace")
    assert "key_masters" in log
    passwords = {
        file.stem: file.read_text(encoding="utf-8").rpartition("password=")[2].strip()
        for file in (installed.secrets / "logins").iterdir()
    }
    assert {len(password) for password in passwords.values()} == {64}
    return [login for login, password in passwords.items() if password in log]
