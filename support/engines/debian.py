"""Programs that Debian and Ubuntu pack and PyPI and npm do not: downloaded and unpacked, not installed.

apt keeps its lists in a folder of the tests' own, so any user can do this and nothing of the machine changes.
"""

import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.engines.programs import cache_folder, locked
from support.engines.unavailable import EngineUnavailableError

OF_THE_MACHINE = {"libc6", "libgcc-s1"}
"""Libraries that must not come from anywhere else."""


def unpacked(pattern: str) -> Path:
    """Return the folder of the newest package whose name `pattern` matches, unpacked with the libraries it needs.

    The folder is called after the package. Raises `EngineUnavailableError` where there is none.
    """
    release = platform.freedesktop_os_release()
    shelf = cache_folder() / f"{release['ID']}-{release.get('VERSION_ID', '')}-{platform.machine()}"
    with locked(cache_folder()):
        package = _newest(pattern, [folder.name for folder in shelf.glob("*")])
        if package is None:
            with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
                apt = _Apt(Path(scratch))
                package = _newest(pattern, apt.run("apt-cache", "pkgnames").split())
                if package is None:
                    raise EngineUnavailableError(f"{release['ID']} has no package that is called {pattern}")
                shelf.mkdir(exist_ok=True)
                apt.unpack(package).rename(shelf / package)  # whole or not at all, however this process ends
    return shelf / package


def library_path(folder: Path) -> str:
    """Return the LD_LIBRARY_PATH of the programs in an unpacked package."""
    return ":".join(str(path) for path in folder.glob("usr/lib/*-linux-*"))


def _newest(pattern: str, names: list[str]) -> str | None:
    matching = [name for name in names if re.fullmatch(pattern, name)]
    return max(matching, key=lambda name: [int(number) for number in re.findall(r"\d+", name)], default=None)


class _Apt:
    """apt with separate package lists, from the machine's sources."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        settings = {
            "Dir::State::Lists": folder / "lists",
            "Dir::Cache": folder / "cache",
            "Debug::NoLocking": 1,
            "APT::Sandbox::User": "root",
        }
        self._options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        for needed in ("lists/partial", "cache/archives/partial", "packages", "unpacked"):
            (folder / needed).mkdir(parents=True)
        self.run("apt-get", "update")

    def run(self, program: str, *arguments: str) -> str:
        if shutil.which(program) is None:
            raise EngineUnavailableError(f"{program} is needed, and is not there")
        command = [program, *(self._options if program.startswith("apt") else []), "-qq", *arguments]
        done = subprocess.run(
            command,
            cwd=self._folder / "packages",
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise EngineUnavailableError(f"{' '.join((program, *arguments))}: {done.stderr or done.stdout}")
        return done.stdout

    def unpack(self, package: str) -> Path:
        depends = re.findall(r"^ +Depends: (lib\S+)", self.run("apt-cache", "depends", package), re.MULTILINE)
        self.run("apt-get", "download", package, *sorted(set(depends) - OF_THE_MACHINE))
        target = self._folder / "unpacked"
        for archive in sorted((self._folder / "packages").glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(archive), str(target)], check=True)
        return target
