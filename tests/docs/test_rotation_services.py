"""docs/key-rotation.md: the units of systemd and the line of cron, with their commands run as they stand."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyRing
from tests.keyring.due_keys import live, old_key, quarterly
from tests.keyring.rings import ROOT
from tests.support.engines import Database
from tests.support.engines.programs import REPOSITORY
from tests.support.programs import python
from tests.support.rows.smallest import unique

PAGE = (REPOSITORY / "docs" / "key-rotation.md").read_text(encoding="utf-8")
UNITS = dict(re.findall(r"^```ini\n# /etc/systemd/system/(\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
[CRON] = re.findall(r"^```crontab\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def due(database: Database, tmp_path: Path) -> Iterator[str]:
    """A key that is due, with the root key where the page has it."""
    subprocess.run(["sh", "-c", "umask 077; openssl rand -base64 32 > root-2026.key"], cwd=tmp_path, check=True)
    quarterly(database)
    engine = database.engine()
    with KeyRing(engine, RootKeys.from_files({ROOT: tmp_path / "root-2026.key"})) as ring:
        kek = unique("kek")
        ring.create(kek, under=ROOT, key_type="kek")
        yield old_key(ring, kek)
    engine.dispose()


def run(command: str, database: Database, folder: Path) -> None:
    """Run a command as its service does, with the root key, the database and the program where they are here."""
    for there, here in {
        "/usr/bin/kms-schema": "kms-schema",
        "/etc/kms": str(folder),
        "%d": str(folder),
        "%H": "$(hostname)",
        "postgresql:///kms": database.url,
    }.items():
        command = command.replace(there, here)
    path = f"{python.programs(folder / 'programs')}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", command], env={**os.environ, "PATH": path}, cwd=folder, check=True)


@pytest.mark.only_on("sqlite")
def test_the_service_rotates(database: Database, due: str, tmp_path: Path) -> None:
    [command] = re.findall(r"^ExecStart=(.*)$", UNITS["kms-rotations.service"], re.MULTILINE)
    [environment] = re.findall(r"^Environment=(.*)$", UNITS["kms-rotations.service"], re.MULTILINE)
    run(f"{environment} {command}", database, tmp_path)
    assert live(database, due) == [2]


@pytest.mark.only_on("sqlite")
def test_the_line_of_cron_rotates(database: Database, due: str, tmp_path: Path) -> None:
    assert "%" not in CRON, "cron takes it for a new line"
    fields = re.fullmatch(r"(?:[*0-9/,-]+ +){5}kms +(?P<command>.*)", CRON)
    assert fields is not None
    run(fields["command"], database, tmp_path)
    assert live(database, due) == [2]


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    assert set(UNITS) == {"kms-rotations.service", "kms-rotations.timer"}
    for name, text in UNITS.items():
        assert re.fullmatch(r"(?:\[\w+\]\n(?:\w+=[^\n]*\n)+\n?)+", text), name
        (tmp_path / name).write_text(text.replace("/usr/bin/kms-schema", "/bin/true").replace("User=kms", "User=root"))
    program = shutil.which("systemd-analyze")
    if program is not None:  # in Debian's package systemd
        units = [str(tmp_path / name) for name in UNITS]
        done = subprocess.run([program, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
