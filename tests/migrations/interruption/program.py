"""The process that migrates and is killed. It is forked from one that has everything imported: that takes no time."""

import multiprocessing
import sqlite3
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from kms_schema.migrate import program
from kms_schema.migrate.faults import MigrationError

Words = tuple[str, str]
"""A command and where to, such as `upgrade head`."""

CACHE_PAGES = 10
"""So few that SQLite writes a transaction to the file long before it ends: what a kill leaves must be taken back."""

CLOSED = "(the connection is closed)"

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    [
        "__main__",
        "logging.config",
        "psycopg",
        "kms_schema.migrate.environment",
        "kms_schema.models.autogenerate",
        "kms_schema.sql.violations",
        __name__,
    ]
)


def start(url: str, words: Words, *, hosts_engine: bool = False) -> tuple[ForkServerProcess, Connection]:
    """Start a migration; return the process and the end of a pipe.

    What the process sends last is what it says about its failure. On SQLite it sends each statement before, and
    goes on when it is sent anything.
    """
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(url, words, hosts_engine, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _main(url: str, words: Words, hosts_engine: bool, pipe: Connection) -> None:
    if url.startswith("sqlite"):
        _stop_after_each_statement(pipe)
    try:
        (_over_hosts_engine if hosts_engine else _by_itself)(url, words)
    except MigrationError as error:
        pipe.send(str(error))
        sys.exit(error.exit_status)
    except Exception:  # noqa: BLE001  (whatever it is, the test says it)
        pipe.send(traceback.format_exc())
        sys.exit(70)


def _by_itself(url: str, words: Words) -> None:
    commands: dict[str, Callable[[str, str], None]] = {"upgrade": program.upgrade, "downgrade": program.downgrade}
    commands[words[0]](url, words[1])


def _over_hosts_engine(url: str, words: Words) -> None:
    """Migrate as an application does that has an engine of its own: on SQLite with a rollback journal."""
    configuration = Config()
    configuration.set_main_option("script_location", program.migrations_folder())
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        configuration.attributes["connection"] = connection
        getattr(command, words[0])(configuration, words[1])
    engine.dispose()


def _stop_after_each_statement(pipe: Connection) -> None:
    """Say each statement of SQLite when it is over, which is when the next begins, and wait for leave to go on."""
    running: list[str] = []

    def next_one(statement: str) -> None:
        if running:
            pipe.send(running.pop())
            pipe.recv()
        running.append(statement)

    class Stopping(sqlite3.Connection):
        def close(self) -> None:
            next_one(CLOSED)
            super().close()

    @sa.event.listens_for(sa.Engine, "do_connect")
    def connect(_dialect: object, _record: object, arguments: list[object], options: dict[str, object]) -> Stopping:
        connection = sqlite3.connect(*arguments, **options, factory=Stopping)  # type: ignore[call-overload]
        connection.execute(f"PRAGMA cache_size = {CACHE_PAGES}")
        connection.set_trace_callback(next_one)
        return connection
