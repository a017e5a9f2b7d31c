"""docs/key-rotation.md: the line of cron, with its command run as it stands."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyRing
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.rows.smallest import unique
from tests.keyring.due_keys import live, old_key, quarterly
from tests.keyring.rings import ROOT

PAGE = (REPOSITORY / "docs" / "key-rotation.md").read_text(encoding="utf-8")
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
        "/etc/kms": str(folder),
        "postgresql:///kms": database.url,
    }.items():
        command = command.replace(there, here)
    path = f"{python.programs(folder / 'programs')}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", command], env={**os.environ, "PATH": path}, cwd=folder, check=True)


@pytest.mark.only_on("sqlite")
def test_the_line_of_cron_rotates(database: Database, due: str, tmp_path: Path) -> None:
    assert "%" not in CRON, "cron takes it for a new line"
    fields = re.fullmatch(r"(?:[*0-9/,-]+ +){5}kms +(?P<command>.*)", CRON)
    assert fields is not None
    run(fields["command"], database, tmp_path)
    assert live(database, due) == [2]
