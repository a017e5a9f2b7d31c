"""A PostgreSQL server that has pg_cron: Debian packs it, and npm's server of the same version can load it."""

import re
import shutil
from pathlib import Path

from support.engines.debian import unpacked
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import extended, find_programs

PACKAGE = r"postgresql-(1[3-8])-cron"
SETTINGS = (
    "shared_preload_libraries=pg_cron",
    "cron.database_name=postgres",
    "cron.use_background_workers=on",
)
"""Jobs run in processes of the server's own, which need no connection and no password."""


def start_with_pg_cron() -> PostgresqlEngine:
    """Start such a server; raises `EngineUnavailableError`."""
    package = unpacked(PACKAGE)
    match = re.fullmatch(PACKAGE, package.name)
    assert match is not None
    programs = extended(find_programs(int(match[1])), package.name, lambda copy: _add_extension(copy, package))
    options = tuple(word for setting in SETTINGS for word in ("--set", setting))
    return PostgresqlEngine(f"postgresql-{match[1]}", programs, options)


def _add_extension(server: Path, package: Path) -> None:
    """PostgreSQL 17 and older look for extensions only where their own are."""
    for own, added in (("plpgsql.so", "pg_cron.so"), ("plpgsql.control", "pg_cron*.*")):
        (beside,) = server.rglob(own)
        for file in package.rglob(added):
            if file.suffix in {".so", ".control", ".sql"}:
                shutil.copy(file, beside.parent)
