"""examples/kubernetes: each scheduled command against a server; the Jobs have run where `installed` was made."""

import pytest

from tests.deploying.installed import Installed
from tests.deploying.kubernetes import PODS

pytestmark = pytest.mark.only_on("postgresql")


@pytest.mark.versions("oldest and newest")
def test_the_scheduled_commands_run(installed: Installed) -> None:
    for name in ("kms-rotations", "kms-seal", "kms-refresh", "kms-retain", "kms-validate"):
        installed.run_pod(name)
    assert {"kms-rotations", "kms-seal", "kms-refresh", "kms-retain", "kms-validate"} == {
        name for name in PODS if name.startswith("kms-") and name != "kms-upgrade"
    }


def test_an_upgrade_runs_again(installed: Installed) -> None:
    assert "no drift: 1 warning" in installed.run_pod("kms-upgrade")


@pytest.mark.versions("oldest and newest")
def test_no_password_is_in_the_log_of_the_server(installed: Installed) -> None:
    """It logs every statement, but for those of bootstrap.sql."""
    log = installed.log.read_text(encoding="utf-8", errors="replace")
    assert "CREATE DATABASE" not in log
    assert "key_masters" in log
    for file in (installed.secrets / "logins").iterdir():
        password = file.read_text(encoding="utf-8").rpartition("password=")[2].strip()
        assert len(password) == 64
        assert password not in log
