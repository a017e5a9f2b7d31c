"""The locks of a migration at each of its statements, from `pg_locks` over a second connection.

Relations that the open transaction has created are not counted: the second connection does not see them, and no
session can wait for them.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import sqlalchemy as sa

from kms_schema.sql.declarations import MODES, Declaration, declared
from support.engines import Database

Held = dict[str, str]
"""The strongest mode on each relation."""

HELD = """
    SELECT n.nspname || '.' || c.relname,
           trim(regexp_replace(replace(locks.mode, 'Lock', ''), '([A-Z])', ' \\1', 'g'))
    FROM pg_locks AS locks JOIN pg_class c ON c.oid = locks.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE locks.locktype = 'relation' AND locks.granted AND locks.pid = %(pid)s AND c.relkind = ANY (%(kinds)s)
        AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND n.nspname !~ '^pg_' AND c.relname <> 'alembic_version'
"""

PATIENCE_SECONDS = 20


@dataclass
class Seen:
    """A statement of a migration."""

    statement: str
    transaction: int
    """Of which transaction it is; outside of any it is one by itself."""
    before: Held
    declaration: Declaration | None = None
    """What the operation says that it does; None where it is not an operation of a revision."""
    during: Held = field(default_factory=dict)
    """The locks of a statement without waiters; of CONCURRENTLY, while it waited for a writer."""

    @property
    def held(self) -> Held:
        """All locks that were observed during the statement."""
        return strongest(self.before, self.during)


def strongest(*of: Held) -> Held:
    """Return the strongest mode on each relation."""
    modes = defaultdict(list)
    for held in of:
        for relation, mode in held.items():
            modes[relation].append(mode)
    return {relation: max(found, key=MODES.index) for relation, found in modes.items()}


@contextmanager
def locks_seen(database: Database, kinds: str = "rmvpfSi") -> Iterator[list[Seen]]:
    """Look at each statement that this process executes in `database` by SQLAlchemy, while the block runs.

    `kinds` are kinds of relation, as `pg_class.relkind` names them.
    """
    seen: list[Seen] = []
    with ExitStack() as stack:
        observer = stack.enter_context(_plain(database))
        watch = _Watch(database, observer, kinds, seen)
        for event, listener in watch.listeners().items():
            sa.event.listen(sa.Engine, event, listener)
            stack.callback(sa.event.remove, sa.Engine, event, listener)
        yield seen


def _plain(database: Database) -> closing[psycopg.Connection[Any]]:
    connection = database.connect()
    assert isinstance(connection, psycopg.Connection)
    return closing(connection)


class _Watch:
    def __init__(self, database: Database, observer: psycopg.Connection[Any], kinds: str, seen: list[Seen]) -> None:
        self._database = database
        self._observer = observer
        self._kinds = list(kinds)
        self._seen = seen
        self._transaction = 0
        self._writer: _Writer | None = None

    def listeners(self) -> dict[str, Any]:
        """Return what SQLAlchemy is to call."""
        return {
            "before_cursor_execute": self.before,
            "after_cursor_execute": self.after,
            "commit": self.end,
            "rollback": self.end,
        }

    def before(self, connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        pid = _pid(connection)
        text, held = statement.replace("%%", "%"), self.held(self._observer, pid)
        self._seen.append(Seen(text, self._transaction, held, declared()))
        if "CONCURRENTLY" in statement:
            self._writer = _Writer(self, self._database, pid, self._seen[-1])

    def after(self, connection: sa.Connection, *_: Any) -> None:
        if self._writer is not None:
            self._writer.leave()
            self._writer = None
        seen = self._seen[-1]
        seen.during = strongest(seen.during, self.held(self._observer, _pid(connection)))

    def end(self, _connection: sa.Connection) -> None:
        self._transaction += 1

    def held(self, observer: psycopg.Connection[Any], pid: int) -> Held:
        found = observer.execute(HELD, {"pid": pid, "kinds": self._kinds}).fetchall()
        return strongest(*({relation: mode.upper()} for relation, mode in found))


class _Writer:
    """Keeps a statement CONCURRENTLY waiting, so that it can be seen what it holds, and then lets it go on."""

    def __init__(self, watch: _Watch, database: Database, pid: int, seen: Seen) -> None:
        self._stopped = threading.Event()
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(watch, database, pid, seen), daemon=True)
        self._thread.start()
        assert self._began.wait(PATIENCE_SECONDS)

    def _write(self, watch: _Watch, database: Database, pid: int, seen: Seen) -> None:
        with _plain(database) as writer, _plain(database) as observer:
            tables = "SELECT format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', oid::regclass) FROM pg_class"
            writer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            writer.execute("SELECT 1")  # an old snapshot is waited for even where nothing locks: a materialized view
            for (lock,) in observer.execute(f"{tables} WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"):
                writer.execute(lock.encode())
            self._began.set()
            query, pids = "SELECT %s = ANY (pg_blocking_pids(%s))", (writer.info.backend_pid, pid)
            while not self._stopped.wait(0.005):
                if observer.execute(query, pids).fetchone() == (True,):
                    seen.during = watch.held(observer, pid)
                    break

    def leave(self) -> None:
        """Wait until it is gone."""
        self._stopped.set()
        self._thread.join()


def _pid(connection: sa.Connection) -> int:
    return int(connection.connection.driver_connection.info.backend_pid)  # type: ignore[union-attr]
