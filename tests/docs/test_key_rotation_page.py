"""docs/key-rotation.md: its blocks, run as written and in their order, print what it shows, and nothing is lost."""

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, RootKeys
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.statements import execute
from tests.crypto.wrapped_trees import NEXT_ROOT, ROOT, held, wrappers
from tests.docs.readers import commands

PAGE = (REPOSITORY / "docs" / "key-rotation.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^```(sh|python|sql)\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", PAGE, re.DOTALL | re.MULTILINE)
ROWS = re.findall(r"^\| (kek-\S+) \| (\d) \| (\w+) \| (\d) \|$", PAGE, re.MULTILINE)


def test_no_block_is_left_out() -> None:
    others = len(re.findall(r"^```crontab$", PAGE, re.MULTILINE))  # tests/docs/test_rotation_services.py
    assert (len(STEPS), others) == (18, 1)
    assert PAGE.count("```") == 2 * (len(STEPS) + others + sum(bool(shown) for _, _, shown in STEPS))


def test_the_page_from_the_first_step_to_the_last(database: Database, tmp_path: Path) -> None:
    settings = ""
    programs = f"{python.programs(tmp_path / 'programs')}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "KMS_DATABASE_URL": database.url}
    opened = None
    for kind, block, shown in STEPS:
        if kind == "sql":
            with closing(database.connect()) as connection:
                found = [tuple(map(str, row)) for row in execute(connection, block).fetchall()]
            assert found == ROWS
            continue
        words = ["sh", "-ec", settings + block] if kind == "sh" else [sys.executable, "-c", block]
        if kind == "sh":
            done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        else:
            done = python.run(words, cwd=tmp_path, env=environment)
        assert (done.returncode, done.stdout) == (0, shown), (block, done.stderr)
        if "export" in block:
            settings = "".join(line + "\n" for line in commands(block) if line.startswith("export"))
        if opened is None and "root-2027.key" in block:
            opened = secrets_of(database, tmp_path)
    after = secrets_of(database, tmp_path)
    assert opened is not None
    common = opened.keys() & after.keys()
    assert len(common) == 3  # the data keys; the old version of the KEK is gone, the new one is new
    assert {each: after[each] for each in common} == {each: opened[each] for each in common}


def secrets_of(database: Database, folder: Path) -> dict[object, object]:
    files = {ROOT: folder / "root-2026.key", NEXT_ROOT: folder / "root-2027.key"}
    wrapping = KeyWrapping(RootKeys.from_files(files))
    engine = database.engine()
    with Session(engine) as session:
        found = held(session, wrapping)
        assert sum(wrappers(session).values()) == len(found)
    engine.dispose()
    return found


@pytest.mark.parametrize("status", ["0", "1", "2", "3"])
def test_every_exit_status_is_explained(status: str) -> None:
    assert f"| {status} | " in PAGE
