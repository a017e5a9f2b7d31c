"""examples/container: what can be held of an image that is not built here."""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from support.programs.wheels import build
from tests.deploying.containers import DOCKERFILE, EXAMPLES, stages
from tools.site.pages import ARCHIVE, examples

LAST = ("kms", "invoices")
WHEEL = "kms_schema-*.whl"


def test_the_images_run_as_nobody_in_particular() -> None:
    for name in LAST:
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", stages()[name].values("USER")[-1])
        assert stages()[name].parent in {"kms", "python:3.13-slim"}


def test_what_it_copies_is_there_and_not_ignored() -> None:
    ignored = (EXAMPLES / "container" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert kept == {"examples/invoices", WHEEL}
    for value in (each for stage in stages().values() for name, each in stage.lines if name == "COPY"):
        source = value.split()[-2]
        assert value.startswith("--from=") or source in kept, value


def test_it_has_no_secret() -> None:
    assert not re.search(r"(?i)^ARG|password|token", DOCKERFILE, re.MULTILINE)
    for name in LAST:
        assert {name for name in stages()[name].environment if name.startswith(("KMS_", "PG"))} == {
            "KMS_DATABASE_URL", "KMS_ROOT_KEYS", "KMS_SCHEMA", "PGSERVICEFILE"
        }  # fmt: skip


@pytest.mark.full
def test_its_steps_run_with_the_archive_and_the_wheel(tmp_path: Path) -> None:
    """They install from PyPI, so only `--full` runs them: with the python of the tests, and paths of their own."""
    target = tmp_path / "kms"
    ((_, archive),) = [each for each in examples() if each[0] == ARCHIVE]
    with tarfile.open(fileobj=io.BytesIO(archive)) as unpacked:
        unpacked.extractall(tmp_path, filter="data")
    (tmp_path / "built").mkdir()
    shutil.copy(build(tmp_path / "built").wheel, tmp_path)
    steps = [step for name in ("build", "build-invoices") for kind, step in stages()[name].lines if kind == "RUN"]
    assert len(steps) == 3
    for step in steps:
        here = step.replace("/opt/kms", str(target)).replace("/src", str(tmp_path))
        subprocess.run(["sh", "-euc", here], check=True)
    for program in ("kms-schema", "uvicorn", "alembic"):
        subprocess.run([target / "bin" / program, "--version"], check=True, cwd=tmp_path)
    application = {"KMS_DATABASE_URL": f"sqlite:///{tmp_path / 'kms.db'}", "PATH": f"{target / 'bin'}:/usr/bin:/bin"}
    for command in (["kms-schema", "upgrade"], ["python", "-c", "import invoices.app"]):
        subprocess.run(command, check=True, cwd=tmp_path / "examples" / "invoices", env=application)
