"""The package as people install it: built from this checkout, with what it depends on and nothing else beside it."""

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.engines.programs import REPOSITORY

NAME = "kms-schema"


class BuildError(Exception):
    """A program that builds or installs failed; the message is what it said."""


@dataclass(frozen=True)
class Built:
    """The built distributions."""

    wheel: Path
    wheel_of_sdist: Path


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
    """Build a wheel from the checkout, and another from a source distribution, as `python -m build` does."""
    backend = folder / "backend"
    requires = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    _python("-m", "pip", "install", "--quiet", "--target", str(backend), *requires)
    source = folder / "source"
    source.mkdir()
    _python("-c", f"from hatchling.build import build_sdist; build_sdist({str(source)!r})", backend=backend)
    (archive,) = source.iterdir()
    wheels = [_wheel(of, folder / name, backend) for name, of in (("direct", REPOSITORY), ("by-source", archive))]
    return Built(*wheels)


def install(wheel: Path, folder: Path) -> Installed:
    """Install `wheel` into a new environment, and beside it links to what it says that it needs."""
    installed = Installed(folder / "environment", folder / "work")
    installed.work.mkdir()
    _python("-m", "venv", "--without-pip", str(installed.folder))
    _python("-m", "pip", "--python", str(installed.python), "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    (packages,) = installed.folder.glob("lib/python*/site-packages")
    (information,) = packages.glob("kms_schema-*.dist-info")
    for file in _needed(importlib.metadata.Distribution.at(information), {"binary"}):
        if not (packages / file.name).exists():
            (packages / file.name).symlink_to(file)
    return installed


def _wheel(of: Path, folder: Path, backend: Path) -> Path:
    words = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(of))
    _python(*words, backend=backend)
    (wheel,) = folder.iterdir()
    return wheel


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


def _python(*arguments: str, backend: Path | None = None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if backend is not None:
        environment |= {"PYTHONPATH": str(backend)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{' '.join(arguments)}:\n{done.stdout}{done.stderr}")
