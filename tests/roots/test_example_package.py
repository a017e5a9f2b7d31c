"""The example of a provider in a package of its own: installed, found by its scheme, used by a command, conforming."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.engines import Database
from support.engines.programs import REPOSITORY
from tests.keyring.rings import ROOT

CHECK = """
import itertools, sys, tempfile
from pathlib import Path
from kms_schema.roots import open_root
from kms_schema.testing.root_conformance import check_root

folder, number = Path(tempfile.mkdtemp()), itertools.count()

def make(key):
    path = folder / f"{next(number)}.hex"
    path.write_text(key.hex())
    return open_root(f"hexfile:{path}")

check_root(make)
"""


@pytest.fixture
def environment(tmp_path: Path, database: Database) -> dict[str, str]:
    """The variables of a process that has the example installed."""
    packages = tmp_path / "packages"
    words = ("-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target", str(packages))
    subprocess.run([sys.executable, *words, str(REPOSITORY / "tests" / "example_root")], check=True)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(packages), str(REPOSITORY))),
        "KMS_DATABASE_URL": database.url,
        "TMPDIR": str(tmp_path),
    }


@pytest.mark.only_on("sqlite")
def test_a_package_provides_roots(environment: dict[str, str], tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CHECK], env=environment, check=True)
    (tmp_path / "root.hex").write_text("11" * 32)
    named = ("--root-key", f"{ROOT}=hexfile:{tmp_path / 'root.hex'}")
    for words in (("keys", "create", "orders", "--under", ROOT, *named), ("roots", "check", *named)):
        done = subprocess.run(
            [sys.executable, "-m", "kms_schema", *words], env=environment, capture_output=True, text=True, check=True
        )
    assert "1 key version and 0 HSM configurations open, 0 do not" in done.stdout
    assert "read from its file at each use" in done.stderr
