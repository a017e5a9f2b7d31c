"""Retention in a process that is killed: this module is imported there, and imports little."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from kms_schema.audit.retention.retain import retain
from kms_schema.audit.storage.postgresql.transactions import OpenPostgresqlTrail
from kms_schema.audit.storage.sqlite.transactions import OpenSqliteTrail
from tests.audit.retaining import Retaining
from tests.audit.sealers import KEY, plain
from tests.migrations.interruption.program import CACHE_PAGES

SECONDS = 30
NEVER = 10**9

FILE_STEPS = ("fsync", "link", "fsync of the folder")
"""Between these the archive gets its name."""


def retain_on_postgresql(conninfo: str, folder: str) -> None:
    with closing(psycopg.connect(conninfo, autocommit=True)) as connection:
        list(retain(OpenPostgresqlTrail(connection, "public"), KEY, Path(folder)))


def retain_on_sqlite(path: str, folder: str, kill_at: int) -> None:
    """Retain, and die just before the statement of this number, those of triggers counted."""
    left = kill_at

    def count(_statement: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA cache_size = {CACHE_PAGES}")
        connection.set_trace_callback(count)
        list(retain(OpenSqliteTrail(connection), KEY, Path(folder)))


def retain_and_die_at_a_file(url: str, folder: str, step: str, after: bool) -> None:
    """Die before or after a step by which the archive reaches the disk."""
    original = {"fsync": os.fsync, "link": os.link}
    seen = 0

    def fsync(handle: int) -> None:
        nonlocal seen
        seen += 1
        _die_if(step == FILE_STEPS[0 if seen == 1 else 2] and not after)
        original["fsync"](handle)  # type: ignore[operator]
        _die_if(step == FILE_STEPS[0 if seen == 1 else 2] and after)

    def link(source: str, target: str, **options: Any) -> None:
        _die_if(step == "link" and not after)
        original["link"](source, target, **options)
        _die_if(step == "link" and after)

    os.fsync, os.link = fsync, link  # type: ignore[assignment]
    if "://" in url:
        retain_on_postgresql(url, folder)
    else:
        retain_on_sqlite(url, folder, 10**9)


def _die_if(now: bool) -> None:
    if now:
        os.kill(os.getpid(), signal.SIGKILL)


def retaining_process(place: Retaining) -> object:
    return retain_on_sqlite if place.database.dialect == "sqlite" else retain_on_postgresql


def where(place: Retaining) -> str:
    return place.database.name if place.database.dialect == "sqlite" else plain(place.retention.url)


def rest(place: Retaining) -> tuple[int, ...]:
    return (NEVER,) if place.database.dialect == "sqlite" else ()
