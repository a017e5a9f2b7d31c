"""Sealing and retention in processes that are killed: this module is imported there, and imports little."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.retention.retain import retain
from kms_schema.audit.sealing.sealer import seal
from kms_schema.audit.storage.postgresql.transactions import OpenPostgresqlTrail
from kms_schema.audit.storage.sqlite.transactions import OpenSqliteTrail
from tests.migrations.interruption.program import CACHE_PAGES, context

KEY = SigningKey("kms.example/audit", bytes(range(32)))


def seal_on_postgresql(conninfo: str) -> None:
    with closing(psycopg.connect(conninfo, autocommit=True)) as connection:
        list(seal(OpenPostgresqlTrail(connection, "public"), KEY))


@contextmanager
def killed_at(path: str, kill_at: int) -> Iterator[OpenSqliteTrail]:
    """Die just before the statement of this number, those of triggers counted; so few are kept in memory."""
    left = kill_at

    def count(_statement: str) -> None:
        nonlocal left
        left -= 1
        _die_if(left < 0)

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA cache_size = {CACHE_PAGES}")
        connection.set_trace_callback(count)
        yield OpenSqliteTrail(connection)


def seal_on_sqlite(path: str, kill_at: int) -> None:
    with killed_at(path, kill_at) as trail:
        list(seal(trail, KEY))


def start(target: object, *arguments: object) -> ForkServerProcess:
    process = context.Process(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
    process.start()
    return process


def plain(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


SECONDS = 30
NEVER = 10**9

FILE_STEPS = ("fsync", "link", "fsync of the folder")
"""Between these the archive gets its name."""


def retain_on_postgresql(conninfo: str, folder: str) -> None:
    with closing(psycopg.connect(conninfo, autocommit=True)) as connection:
        list(retain(OpenPostgresqlTrail(connection, "public"), KEY, Path(folder)))


def retain_on_sqlite(path: str, folder: str, kill_at: int = NEVER) -> None:
    with killed_at(path, kill_at) as trail:
        list(retain(trail, KEY, Path(folder)))


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
        retain_on_sqlite(url, folder)


def _die_if(now: bool) -> None:
    if now:
        os.kill(os.getpid(), signal.SIGKILL)
