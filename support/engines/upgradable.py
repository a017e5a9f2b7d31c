"""A PostgreSQL that pg_upgrade can take over: npm's server, with the two programs that Debian packs beside its own."""

import re
import shutil
from pathlib import Path

from support.engines.debian import unpacked
from support.engines.programs import NPM_VERSIONS, WHEEL_MAJOR, Programs, extended, find_programs

PACKAGE = r"postgresql-(1[3-7])"
ASKED = ("pg_controldata", "pg_resetwal")
"""The programs of the old version that pg_upgrade runs, besides `postgres` and `pg_ctl`; they need only libc."""
INSTALLED = Path("/usr/lib/postgresql")


def find_upgradable_programs() -> tuple[int, Programs]:
    """Return the oldest major version below the wheel's that can be upgraded here, and its programs.

    Debian's own server is not taken: its minor release may be newer than the wheel's, which cannot read its dump then.
    Raises `EngineUnavailableError` where neither the machine nor its packages have the two programs.
    """
    majors = [major for major in sorted(NPM_VERSIONS) if major < WHEEL_MAJOR and _has_both(_of(INSTALLED, major))]
    if majors:
        major, source = majors[0], _of(INSTALLED, majors[0])
    else:
        package = unpacked(PACKAGE)
        match = re.fullmatch(PACKAGE, package.name)
        assert match is not None
        major, source = int(match[1]), _of(package / "usr/lib/postgresql", int(match[1]))

    def add(copy: Path) -> None:
        (server,) = copy.rglob("bin/postgres")
        for name in ASKED:
            shutil.copy(source / name, server.parent)

    return major, extended(find_programs(major), "upgradable", add)


def _of(folder: Path, major: int) -> Path:
    return folder / str(major) / "bin"


def _has_both(folder: Path) -> bool:
    return all((folder / name).exists() for name in ASKED)
