"""A PostgreSQL server that has plpgsql_check: Debian packs it, and npm's server of the same version can load it."""

import re
import shutil
from pathlib import Path

from support.engines.debian import unpacked
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import Programs, extended, find_programs

PACKAGE = r"postgresql-(1[3-8])-plpgsql-check"


def find_programs_with_plpgsql_check() -> tuple[int, Programs]:
    """Return the newest major version that plpgsql_check can be had for, and its programs with the extension.

    Raises `EngineUnavailableError` where there is none.
    """
    package = unpacked(PACKAGE)
    match = re.fullmatch(PACKAGE, package.name)
    assert match is not None
    major = int(match[1])
    return major, extended(find_programs(major), package.name, lambda copy: _add_extension(copy, package))


def start_with_plpgsql_check() -> PostgresqlEngine:
    """Start such a server; raises `EngineUnavailableError`."""
    major, programs = find_programs_with_plpgsql_check()
    return PostgresqlEngine(f"postgresql-{major}", programs)


def _add_extension(server: Path, package: Path) -> None:
    """PostgreSQL 17 and older look for extensions only where their own are."""
    for own, added in (("plpgsql.so", "plpgsql_check.so"), ("plpgsql.control", "plpgsql_check*.*")):
        (beside,) = server.rglob(own)
        for file in package.rglob(added):
            if file.suffix in {".so", ".control", ".sql"}:
                shutil.copy(file, beside.parent)
