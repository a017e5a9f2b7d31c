"""Sealing in a process that is killed: this module is imported there, and imports little."""

import os
import signal
import sqlite3
from contextlib import closing
from multiprocessing.context import ForkServerProcess

import psycopg
import sqlalchemy as sa

from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.sealing.sealer import seal
from kms_schema.audit.storage.postgresql.transactions import OpenPostgresqlTrail
from kms_schema.audit.storage.sqlite.transactions import OpenSqliteTrail
from tests.migrations.interruption.program import CACHE_PAGES, context

KEY = SigningKey("kms.example/audit", bytes(range(32)))


def seal_on_postgresql(conninfo: str) -> None:
    with closing(psycopg.connect(conninfo, autocommit=True)) as connection:
        list(seal(OpenPostgresqlTrail(connection, "public"), KEY))


def seal_on_sqlite(path: str, kill_at: int) -> None:
    """Seal, and die just before the statement of this number, those of triggers counted; so few are kept in memory."""
    left = kill_at

    def count(_statement: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA cache_size = {CACHE_PAGES}")
        connection.set_trace_callback(count)
        list(seal(OpenSqliteTrail(connection), KEY))


def start(target: object, *arguments: object) -> ForkServerProcess:
    process = context.Process(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
    process.start()
    return process


def plain(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
