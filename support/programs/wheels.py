"""The package as people install it: built from this checkout, with what it depends on and nothing else beside it."""

import importlib.metadata
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement

from support.engines.programs import REPOSITORY

NAME = "kms-schema"
BUILT_AT = 1_700_000_000
"""The time of each file in the distributions, in seconds since 1970."""


class BuildError(Exception):
    """A program that builds or installs failed; the message is what it said."""


@dataclass(frozen=True)
class Built:
    """The distributions, built from this checkout, and again in another folder from the source distribution."""

    wheel: Path
    source: Path
    wheel_of_source: Path
    source_of_source: Path


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it, and an empty folder to work in."""

    folder: Path
    work: Path

    def for_one(self, work: Path) -> "Installed":
        """Return the same with another folder to work in."""
        return replace(self, work=work)

    @property
    def python(self) -> Path:
        """The interpreter, which knows no checkout."""
        return self.folder / "bin" / "python"

    @property
    def program(self) -> Path:
        """The console script."""
        return self.folder / "bin" / NAME

    def run(self, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program there; nothing of this process's environment but the search path for programs is handed on."""
        return subprocess.run(
            list(words),
            cwd=self.work,
            env={"PATH": os.environ["PATH"], "PYTHONNOUSERSITE": "1", **environment},
            capture_output=True,
            text=True,
            check=False,
        )


def build(folder: Path) -> Built:
    """Build a source distribution and a wheel from the checkout, and both again from what is in the former.

    The second folder has other times, and files that only their owner may read. The programs that build are those of
    this environment, which has what pyproject.toml requires.
    """
    (source, wheel), unpacked = _both(REPOSITORY, folder / "first"), folder / "unpacked"
    with tarfile.open(source) as archive:
        archive.extractall(unpacked, filter="data")
    (root,) = unpacked.iterdir()
    for file in (each for each in root.rglob("*") if each.is_file()):
        file.chmod(file.stat().st_mode & 0o700)
        os.utime(file, (0, 0))
    source_of_source, wheel_of_source = _both(root, folder / "second")
    return Built(wheel, source, wheel_of_source, source_of_source)


def build_wheel(checkout: Path, folder: Path) -> Path:
    """Build a wheel from a checkout into a folder."""
    _python("-c", f"from hatchling.build import build_wheel; build_wheel({str(folder)!r})", within=checkout)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Installed:
    """Install `wheel` into a new environment, and beside it links to what it says that it needs."""
    installed = Installed(folder / "environment", folder / "work")
    installed.work.mkdir()
    _python("-m", "venv", "--without-pip", str(installed.folder))
    # Without --no-compile pip compiles every module; each is compiled when it is imported first.
    words = ("--quiet", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", str(wheel))
    _python("-m", "pip", "--python", str(installed.python), "install", *words)
    (packages,) = installed.folder.glob("lib/python*/site-packages")
    (information,) = packages.glob("kms_schema-*.dist-info")
    for file in _needed(importlib.metadata.Distribution.at(information), {"binary"}):
        if not (packages / file.name).exists():
            (packages / file.name).symlink_to(file)
    return installed


def _both(checkout: Path, folder: Path) -> tuple[Path, Path]:
    folder.mkdir()
    backend = "from hatchling.build import build_sdist, build_wheel"
    _python("-c", f"{backend}; build_sdist({str(folder)!r}); build_wheel({str(folder)!r})", within=checkout)
    ((source,), (wheel,)) = (list(folder.glob(ending)) for ending in ("*.tar.gz", "*.whl"))
    return source, wheel


def _needed(distribution: importlib.metadata.Distribution, extras: set[str]) -> Iterator[Path]:
    """Yield the files and folders of all that a distribution requires, those that these require included."""
    for written in distribution.requires or ():
        requirement = Requirement(written)
        if requirement.marker is not None and not any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras | {""}
        ):
            continue
        found = importlib.metadata.distribution(requirement.name)
        for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            yield Path(str(found.locate_file(name)))
        yield from _needed(found, requirement.extras)


def _python(*arguments: str, within: Path = REPOSITORY) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"SOURCE_DATE_EPOCH": str(BUILT_AT)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=within, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{' '.join(arguments)}:\n{done.stdout}{done.stderr}")
