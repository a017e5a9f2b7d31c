"""The machine and software of a run, without which its figures have no meaning."""

import os
import platform
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from support.engines import Database
from support.engines.programs import REPOSITORY
from support.statements import execute

SETTINGS = (
    "shared_buffers", "fsync", "synchronous_commit", "full_page_writes", "wal_level", "max_wal_size",
    "maintenance_work_mem", "work_mem", "random_page_cost", "effective_cache_size", "jit",
    "max_parallel_workers_per_gather", "max_parallel_maintenance_workers",
)  # fmt: skip
PRAGMAS = ("journal_mode", "synchronous", "cache_size", "page_size")


def described(database: Database) -> dict[str, Any]:
    """Return processor, memory, versions and the settings that affect cost."""
    return {"commit": commit(), "machine": _machine(), "python": platform.python_version(), "server": _server(database)}


def commit() -> str | None:
    """Return the current commit, with a plus if files differ from it; None if it is unknown."""
    words = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  (fixed words)
    except OSError:
        return None
    return done.stdout.strip() or None


def _machine() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
    }


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    if known.exists():
        for line in known.read_text(encoding="ascii", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor()


def _server(database: Database) -> dict[str, Any]:
    with closing(database.connect()) as connection:
        if isinstance(connection, sqlite3.Connection):
            settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}
            return {"name": "SQLite", "version": sqlite3.sqlite_version, "settings": settings}
        ((version,),) = execute(connection, "SHOW server_version").fetchall()
        known = "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY (string_to_array(:names, ' '))"
        settings = dict(execute(connection, known, {"names": " ".join(SETTINGS)}).fetchall())
        return {"name": "PostgreSQL", "version": version, "settings": {name: settings[name] for name in SETTINGS}}
