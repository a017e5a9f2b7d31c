"""examples/systemd: systemd accepts the units, and confines each service."""

import re
from pathlib import Path

import pytest

from tests.deploying.systemd import INSTALLED, PAGE, SERVICES, UNITS, analyze, copied

TIMERS = sorted(file.name for file in UNITS.glob("*.timer"))


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = copied(tmp_path / "units")
    files = [str(file) for file in sorted(units.glob("*.*er*")) if file.is_file()]
    assert len(files) == len(SERVICES) + len(TIMERS)
    done = analyze("verify", "--man=no", *files, units=units)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("right", "wrong"), [("OnCalendar=minutely", "OnCalendar=never"), ("PrivateTmp=", "PrivateTemp=")]
)
def test_a_wrong_unit_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    units = copied(tmp_path / "units", {right: wrong})
    done = analyze(
        "verify", "--man=no", str(units / "kms-rotations.service"), str(units / "kms-rotations.timer"), units=units
    )
    assert wrong.strip("=").rpartition("=")[2] in done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined(tmp_path: Path, name: str) -> None:
    units = copied(tmp_path / "units")
    done = analyze("security", "--offline=true", "--no-pager", "--threshold=20", str(units / name), units=units)
    level = re.search(r"Overall exposure level .*", done.stdout)
    assert done.returncode == 0, level


def test_each_timer_has_a_service_and_each_login_is_installed() -> None:
    assert {name.replace(".timer", ".service") for name in TIMERS} == SERVICES.keys() - {
        "kms-upgrade.service", "kms-invoices.service", "kms-metrics.service"
    }  # fmt: skip
    logins = {name.replace(".service", ".conf") for name in SERVICES}
    assert INSTALLED.keys() == logins | {"root.key", "seal.key"}
    typed = " ".join(PAGE.replace("\\\n", " ").split())  # a long command is on more than one line
    assert "systemctl enable --now " + " ".join(TIMERS) in typed
