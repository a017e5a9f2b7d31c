"""A hot standby of a server, the end of its primary, and its promotion."""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from support.engines import Database
from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine, psycopg_url
from support.engines.programs import WHEEL_MAJOR, find_programs
from support.statements import execute

SECONDS = 30
WITHOUT_REST = ("--set", "dynamic_shared_memory_type=mmap")
"""For a server that is killed: what it shares is in its own folder, and goes with that."""


def standby_of(primary: PostgresqlEngine) -> PostgresqlEngine:
    """Start a standby by a base backup; npm packs no program for that, and the wheel's copies older servers as well."""
    base_backup = str(find_programs(WHEEL_MAJOR).folder / "pg_basebackup")
    again = ("--set", "wal_retrieve_retry_interval=100ms")  # 5 s, where the primary has nothing yet
    options = ("--standby-of", psycopg_url(primary.url), "--base-backup", base_backup, *again)
    return PostgresqlEngine(primary.name, find_programs(int(primary.name.removeprefix("postgresql-"))), options)


def same_on(server: PostgresqlEngine, database: Database) -> Database:
    """Return the database of the same name on another server."""
    url = server.url.set(database=database.name).render_as_string(hide_password=False)
    return Database(server.name, "postgresql", url)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def answers(connection: Connection, query: str, answer: object) -> Callable[[], bool]:
    return lambda: execute(connection, query).fetchone() == (answer,)


def make_synchronous(primary: Connection) -> None:
    """Have commits that say so wait for the standby."""
    execute(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    execute(primary, "SELECT pg_reload_conf()")
    state = "SELECT max(sync_state) FROM pg_stat_replication"
    wait_for(answers(primary, state, "sync"), "the standby does not become synchronous")


def promote(standby: Connection) -> None:
    execute(standby, "SELECT pg_promote()")
    wait_for(answers(standby, "SELECT pg_is_in_recovery()", False), "the standby is not promoted")


def postmaster(connection: Connection) -> tuple[int, int]:
    """Return the process of the server, and the number of the shared memory by which it knows that it is alone."""
    (text,) = execute(connection, "SELECT pg_read_file('postmaster.pid')").fetchone()
    lines = text.splitlines()
    return int(lines[0]), int(lines[6].split()[1])


def kill_server(process: int, shared_memory: int) -> None:
    """`kill -9` a server and each of its processes: a postmaster alone would be survived for a moment."""
    os.kill(process, signal.SIGSTOP)  # so that it starts no more
    for child in children(process):
        os.kill(child, signal.SIGKILL)
    os.kill(process, signal.SIGKILL)
    ctypes.CDLL(None).shmctl(shared_memory, 0, None)  # IPC_RMID: nobody else takes it away


def children(process: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == process:
            found.append(int(status.parent.name))
    return found
