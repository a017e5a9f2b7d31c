"""Make the copy of this repository that has the later revisions as well."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.engines import Engine
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import REPOSITORY

PACKAGE = Path(__file__).parent / "package"
IGNORED = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "*.pyc.*")
"""What Git or a tool keeps. Bytecode is copied: to compile all modules again takes seconds; `*.pyc.*` is in writing."""


def copy_repository(folder: Path) -> Path:
    """Copy this repository into `folder`, which is not there yet, without what Git or a tool keeps in it."""
    shutil.copytree(REPOSITORY, folder, symlinks=True, ignore=IGNORED)
    return folder


def lay_over(folder: Path) -> Path:
    """Copy this repository into `folder` with the later revisions in it, on top of its head, and their checksums."""
    copy_repository(folder)
    revisions = folder / "kms_schema" / "snapshots" / "revisions.json"
    chain = json.loads(revisions.read_text("utf-8"))
    later = sorted(file.stem for file in (PACKAGE / "migrations" / "versions").glob("*.py"))
    revisions.write_text(json.dumps(chain + later))
    # A file that is replaced has another time, so that its bytecode is not taken for current.
    others = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "kms_schema", dirs_exist_ok=True, ignore=others, copy_function=shutil.copyfile)
    first = folder / "kms_schema" / "migrations" / "versions" / f"{later[0]}.py"
    text = first.read_text("utf-8")
    first.write_text(re.sub(r"(?m)^down_revision = .*", f'down_revision = "{chain[-1]}"', text, count=1), "utf-8")
    run_in(folder, "scripts/test_migrations.py", "--update-checksums")
    return folder


def write_snapshots(folder: Path, urls: list[str]) -> None:
    """Write the snapshots of the later revisions, as servers of all versions report them."""
    servers = [word for url in urls for word in ("--postgresql", url)]
    run_in(folder, "-m", "tools.snapshots", *servers)
    for engine in ("postgresql", "sqlite"):
        for file in (folder / "kms_schema" / "snapshots" / engine).glob("9*.json"):
            shutil.copy(file, PACKAGE / "snapshots" / engine)


def run_in(folder: Path, *words: str, **environment: str) -> str:
    """Run Python in the copy, and return what it prints; raises `AssertionError` with it where it fails."""
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def run_tests(copy: Path, engine: Engine, *words: str) -> None:
    """Run tests of a copy on the server of this session; raises `AssertionError` where one fails."""
    environment = {}
    if isinstance(engine, PostgresqlEngine):
        major = engine.name.removeprefix("postgresql-")
        environment[f"KMS_TEST_POSTGRESQL_{major}"] = engine.url.render_as_string(hide_password=False)
    quietly = ("-n", "0", "-q", "-p", "no:cacheprovider", "--tb=short")
    said = run_in(copy, "-m", "pytest", *quietly, f"--engines={engine.name}", *words, **environment)
    assert " passed" in said
