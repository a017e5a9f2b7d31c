"""Get engines onto this machine before the tests ask for them, and print the folder that each needs.

python -m support.engines.install postgresql-13 pgbouncer plpgsql_check prometheus softhsm upgradable
LD_LIBRARY_PATH=$(python -m support.engines.install sqlite-3.35.2) python -m pytest --engines=sqlite-3.35.2
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from support.engines.pgbouncer import find_pgbouncer
from support.engines.plpgsql_check import find_programs_with_plpgsql_check
from support.engines.programs import cache_folder, find_programs, locked
from support.engines.prometheus import PACKAGES, find_program
from support.engines.softhsm import find_softhsm
from support.engines.upgradable import find_upgradable_programs

SQLITE_PACKAGES = {
    "3.35.2": "better-sqlite3@7.1.4",
    "3.36.0": "better-sqlite3@7.4.2",
    "3.40.0": "better-sqlite3@8.0.0",
    "3.54.1": "better-sqlite3@13.2.0",
}
"""SQLite versions, and the npm packages that carry their source: Debian and PyPI have one version each."""

OPTIONS = (
    "THREADSAFE=1",
    "ENABLE_DESERIALIZE",
    "ENABLE_COLUMN_METADATA",
    "ENABLE_JSON1",
    "ENABLE_FTS5",
    "ENABLE_RTREE",
    "ENABLE_MATH_FUNCTIONS",
)
"""The compile options of Debian's and Python's builds of SQLite."""
COMPILE = ("gcc", "-O1", "-w", "-fPIC", "-shared", "-Wl,-soname,libsqlite3.so.0")
LIBRARIES = ("-lm", "-ldl", "-lpthread")


def install_sqlite(version: str) -> Path:
    """Return the folder of `libsqlite3.so.0` of a version, built if it is not there yet."""
    installed = cache_folder() / f"sqlite-{version}"
    with locked(cache_folder()):
        if not installed.exists():
            with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
                _build_sqlite(SQLITE_PACKAGES[version], Path(scratch)).rename(installed)
    return installed


def _build_sqlite(package: str, scratch: Path) -> Path:
    packed = subprocess.run(
        ["npm", "pack", "--silent", package], cwd=scratch, check=True, text=True, stdout=subprocess.PIPE
    ).stdout.split()[-1]
    with tarfile.open(scratch / packed) as outer:
        outer.extractall(scratch, filter="data")
    sources = _sqlite_sources(scratch / "package" / "deps")
    library = scratch / "lib"
    library.mkdir()
    output = ["-o", str(library / "libsqlite3.so.0"), "sqlite3.c"]
    options = [f"-DSQLITE_{option}" for option in OPTIONS]
    subprocess.run([*COMPILE, *options, *output, *LIBRARIES], cwd=sources, check=True)
    return library


def _sqlite_sources(dependencies: Path) -> Path:
    """Return the folder of `sqlite3.c`: lately it is in the package as it is, before it was packed once more."""
    packed = dependencies / "sqlite3.tar.gz"
    if not packed.exists():
        return dependencies / "sqlite3"
    with tarfile.open(packed) as archive:
        archive.extractall(dependencies, filter="data")
    return dependencies


def install(name: str) -> Path:
    """Return the folder of an engine, or of what the tests use beside them; raises `EngineUnavailableError`."""
    if name == "pgbouncer":
        return find_pgbouncer()[0].parent
    if name == "prometheus":
        server, *_ = (find_program(each).parent for each in PACKAGES)
        return server
    if name == "softhsm":
        return find_softhsm()[0].parent
    if name == "plpgsql_check":
        return find_programs_with_plpgsql_check()[1].folder
    if name == "upgradable":
        return find_upgradable_programs()[1].folder
    kind, _, version = name.partition("-")
    return install_sqlite(version) if kind == "sqlite" else find_programs(int(version)).folder


def main(names: list[str]) -> None:
    """Install each and print its folder."""
    for name in names:
        print(install(name))


if __name__ == "__main__":
    main(sys.argv[1:])
