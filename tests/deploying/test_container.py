"""examples/container: what can be held of an image that is not built here."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploying.containers import DOCKERFILE, EXAMPLES, stages
from tests.support.engines.programs import REPOSITORY

LAST = ("kms", "invoices")


def test_the_images_run_as_nobody_in_particular() -> None:
    for name in LAST:
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", stages()[name].values("USER")[-1])
        assert stages()[name].parent in {"kms", "python:3.13-slim"}


def test_what_it_copies_is_there_and_not_ignored() -> None:
    ignored = (EXAMPLES / "container" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert all((REPOSITORY / path).exists() for path in kept)
    for value in (each for stage in stages().values() for name, each in stage.lines if name == "COPY"):
        source = value.split()[-2]
        assert value.startswith("--from=") or source == "." or source in kept, value


def test_it_has_no_secret() -> None:
    assert not re.search(r"(?i)^ARG|password|token", DOCKERFILE, re.MULTILINE)
    for name in LAST:
        assert {name for name in stages()[name].environment if name.startswith(("KMS_", "PG"))} == {
            "KMS_DATABASE_URL", "KMS_ROOT_KEYS", "KMS_SCHEMA", "PGSERVICEFILE"
        }  # fmt: skip


@pytest.mark.full
def test_its_steps_run(tmp_path: Path) -> None:
    """They install from PyPI, so only `--full` runs them: with the python of the tests, and paths of their own."""
    source, target = tmp_path / "src", tmp_path / "kms"
    source.mkdir()
    ignored = (EXAMPLES / "container" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for name in (line[1:] for line in ignored if line.startswith("!")):
        path = REPOSITORY / name
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    steps = [step for name in ("build", "build-invoices") for kind, step in stages()[name].lines if kind == "RUN"]
    assert len(steps) == 3
    for step in steps:
        here = step.replace("/opt/kms", str(target)).replace("/src", str(source))
        subprocess.run(["sh", "-euc", here], check=True)
    for program in ("kms-schema", "uvicorn", "alembic"):
        subprocess.run([target / "bin" / program, "--version"], check=True, cwd=tmp_path)
    application = {"KMS_DATABASE_URL": f"sqlite:///{tmp_path / 'kms.db'}", "PATH": f"{target / 'bin'}:/usr/bin:/bin"}
    for command in (["kms-schema", "upgrade"], ["python", "-c", "import invoices.app"]):
        subprocess.run(command, check=True, cwd=source / "examples" / "invoices", env=application)
