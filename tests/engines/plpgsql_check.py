"""A PostgreSQL server that has plpgsql_check: Debian packs it, and npm's server of the same version can load it."""

import re
import shutil
import tempfile
from pathlib import Path

from tests.engines.debian import unpacked
from tests.engines.postgresql import PostgresqlEngine
from tests.engines.programs import Programs, cache_folder, find_programs, locked

PACKAGE = r"postgresql-(1[3-8])-plpgsql-check"


def find_programs_with_plpgsql_check() -> tuple[int, Programs]:
    """Return the newest major version that plpgsql_check can be had for, and its programs with the extension.

    Raises `EngineUnavailableError` where there is none.
    """
    package = unpacked(PACKAGE)
    match = re.fullmatch(PACKAGE, package.name)
    assert match is not None
    major = int(match[1])
    return major, _extended(find_programs(major), package)


def start_with_plpgsql_check() -> PostgresqlEngine:
    """Start such a server; raises `EngineUnavailableError`."""
    major, programs = find_programs_with_plpgsql_check()
    return PostgresqlEngine(f"postgresql-{major}", programs)


def _extended(programs: Programs, package: Path) -> Programs:
    """Return a copy of `programs` that has the extension beside its own: others shall not find it in theirs."""
    first = programs.roots[0]
    copy = cache_folder() / f"{first.parent.name}-{package.name}"
    with locked(cache_folder()):
        if not copy.exists():
            with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
                made = Path(scratch) / "copy"
                for root in programs.roots:
                    shutil.copytree(root, made / root.name, symlinks=True)
                _add_extension(made, package)
                made.rename(copy)  # whole or not at all, however this process ends
    roots = tuple(copy / root.name for root in programs.roots)
    return Programs(roots[0] / programs.folder.relative_to(first), roots)


def _add_extension(server: Path, package: Path) -> None:
    """PostgreSQL 17 and older look for extensions only where their own are."""
    for own, added in (("plpgsql.so", "plpgsql_check.so"), ("plpgsql.control", "plpgsql_check*.*")):
        (beside,) = server.rglob(own)
        for file in package.rglob(added):
            if file.suffix in {".so", ".control", ".sql"}:
                shutil.copy(file, beside.parent)
