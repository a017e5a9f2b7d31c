"""Forks of a process that uses SQLite: the child begins with free locks and without open files of the parent.

SQLite keeps its locks of a file by process, in memory that a fork copies, while those of the system stay with the
parent. A child that opens a file which its parent has open counts on locks that it does not have. It waits for a write
lock that no thread there will release, and its commits are lost when the parent closes the file. So the parent closes
idle connections before it forks, once its other threads are outside of the library. They open again when they are used.
The child refuses a file of which a connection is in use all the same.
"""

import os
import sqlite3
import stat
import threading
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import sqlalchemy as sa

WAITS_SECONDS: Final = 5.0
"""The longest that a fork waits for other threads, which return their connections meanwhile."""
_HELD_BACK_SECONDS: Final = 0.25
"""The longest that a fork holds a thread back: another one may wait for it, with a connection."""
REFUSAL: Final = (
    "this process was forked while its parent had the file open, and SQLite's locks end there: fork while no connection"
    " is in use, or start it by spawn or forkserver"
)

_changed: threading.Condition = threading.Condition()
"""Held while a connection is opened or closed, and by a fork."""
_forking: int | None = None
"""The thread that is about to fork."""
_engines: "weakref.WeakSet[sa.Engine]" = weakref.WeakSet()
_open: "weakref.WeakSet[SqliteConnection]" = weakref.WeakSet()
_inherited: frozenset[tuple[int, int]] = frozenset()
"""Device and inode of the files that the parent of this process had open when it forked."""
_PROCESS: Final = "kms_schema_process"
_left: list[object] = []
"""Connections of the parent: the child neither uses nor closes them."""

Hook = Callable[[], object]
_others: list[tuple[Hook, Hook, Hook]] = []


class SqliteConnection(sqlite3.Connection):
    """A connection to a file, which knows its process and the thread that uses it."""

    used_by: int | None
    """The thread that has it from the pool, and used it last; None while it is idle, and then a fork closes it."""
    is_open: bool = False
    is_awaited: bool = False  # by tasks of an event loop, in one thread
    changes_before: int = 0
    """Its `total_changes` before the transaction, as far as that is known; -1 if it begins with the write lock."""

    def __init__(self, database: Any, *arguments: Any, **options: Any) -> None:
        """Open it, as `sqlite3.connect` does. Raises `sqlite3.OperationalError` where the parent has the file open."""
        self.used_by = threading.get_ident()
        self._process = os.getpid()
        with _changed:
            if _inherited and _is_inherited(database):
                raise sqlite3.OperationalError(REFUSAL)
            super().__init__(database, *arguments, **options)
            self.is_open = True
            _open.add(self)

    def has_written(self) -> bool:
        """Return whether a transaction is open that has the write lock. Raises nothing.

        Of a transaction that `raw_connection` began, the changes of those before count as well.
        """
        with suppress(sqlite3.Error):  # one that the application has closed
            return self.in_transaction and self.total_changes > self.changes_before
        return False

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        """Return a cursor. Raises `sqlite3.OperationalError` in a child, where it is the parent's."""
        if self._process != os.getpid():
            raise sqlite3.OperationalError(REFUSAL)
        if self.used_by is not None and not self.is_awaited:
            self.used_by = threading.get_ident()  # a session may go from thread to thread
        return super().cursor(*arguments, **options)

    def commit(self) -> None:
        """Commit. Raises `sqlite3.OperationalError` in a child, where it is the parent's."""
        if self._process != os.getpid():
            raise sqlite3.OperationalError(REFUSAL)
        super().commit()

    def rollback(self) -> None:
        """Roll back; in a child the transaction is the parent's, and goes on there."""
        if self._process == os.getpid():
            super().rollback()

    def close(self) -> None:
        """Close it; in a child it is left to the parent."""
        if self._process != os.getpid():
            return
        with _changed:
            super().close()
            self.is_open = False
            _open.discard(self)


def follow(engine: sa.Engine) -> None:
    """Have forks close the idle connections that `engine` will open, if it is one of files of SQLite. Raises nothing.

    A connection of another class, of a `creator` or a `factory`, is not closed: then the child refuses.
    """
    if engine.dialect.driver not in ("pysqlite", "aiosqlite"):
        return
    _engines.add(engine)
    sa.event.listen(engine.dialect, "do_connect", _prepare)  # once for all engines of the dialect
    sa.event.listen(engine, "connect", _check_file, insert=True)
    sa.event.listen(engine, "checkout", _take)
    sa.event.listen(engine, "checkin", _give_back)
    for name in ("before_cursor_execute", "commit"):
        sa.event.listen(engine, name, _check_process)
    if _inherited:
        sa.event.listen(engine, "after_cursor_execute", _check_attached)


def _check_process(connection: sa.Connection, *_: object) -> None:
    """Refuse a child what it does in a transaction of its parent. Raises `sqlite3.OperationalError`."""
    process = connection.connection.info.get(_PROCESS) if _inherited else None
    if process not in (None, os.getpid()):
        raise sqlite3.OperationalError(REFUSAL)


def _check_attached(connection: sa.Connection, _cursor: Any, statement: str, *_: object) -> None:
    """Detach what a child may not use, after ATTACH. Raises `sqlite3.OperationalError` then."""
    if "attach" in statement.casefold():
        driver = connection.connection.dbapi_connection
        refused = [schema for schema, file in _files_of(driver) if _is_inherited(file)]
        for schema in refused:
            _executed(driver, "DETACH ?", schema)
        if refused:
            raise sqlite3.OperationalError(REFUSAL)


def _executed(connection: Any, statement: str, *parameters: str) -> list[Any]:
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _files_of(connection: Any) -> list[tuple[str, str]]:
    """Return the schemas of a connection that are files, with their names: also those that it has attached."""
    return [(schema, file) for _, schema, file in _executed(connection, "PRAGMA database_list") if file]


def _check_file(connection: Any, record: Any) -> None:
    """Note the process of a connection of another class to a file. Raises `sqlite3.OperationalError` as its own does.

    A database in memory ends with its connection, and has no locks: it is not noted.
    """
    if _driver(connection) is None:
        files = _files_of(connection)
        if _inherited and any(_is_inherited(file) for _, file in files):
            connection.close()
            raise sqlite3.OperationalError(REFUSAL)
        record.info[_PROCESS] = os.getpid() if files else None


def hold_too(before: Hook, in_parent: Hook, in_child: Hook) -> None:
    """Have forks call `before` when no other thread uses a database, and one of the others afterwards."""
    _others.append((before, in_parent, in_child))


def _prepare(_dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> None:
    name = str(arguments[0]) if arguments else str(options.get("database", ""))
    if name and ":memory:" not in name and "mode=memory" not in name:
        options.setdefault("factory", SqliteConnection)


def _driver(connection: Any) -> SqliteConnection | None:
    """Return the connection of sqlite3, also from inside a connection of aiosqlite; None for other drivers."""
    if hasattr(connection, "run_async"):
        connection = connection.driver_connection._connection
    return connection if isinstance(connection, SqliteConnection) else None


def _take(connection: Any, record: Any, _fairy: Any) -> None:
    """Note the thread that takes a connection from the pool, after a fork that is about to happen.

    Raises `DisconnectionError` for one that a fork has closed: the pool opens another one. Raises
    `sqlite3.OperationalError` for one of another class, or with an attached file, that is the parent's.
    """
    driver = _driver(connection)
    if driver is None:
        if record.info.get(_PROCESS) not in (None, os.getpid()):
            raise sqlite3.OperationalError(REFUSAL)
        if _inherited:
            _check_taken(connection)
        return
    me = threading.get_ident()
    with _changed:
        if _forking not in (None, me) and driver.used_by is None and not _is_in_use(by=me):
            _changed.wait_for(lambda: _forking is None, _HELD_BACK_SECONDS)
        driver.used_by = me
        is_open = driver.is_open
        driver.is_awaited = driver is not connection
        driver.changes_before = driver.total_changes if is_open else 0
    if not is_open:
        raise sa.exc.DisconnectionError
    if _inherited:
        _check_taken(connection)


def _check_taken(connection: Any) -> None:
    """Refuse a child what a hook of the application has attached, which no event of the engine shows."""
    if any(schema != "main" and _is_inherited(file) for schema, file in _files_of(connection)):
        raise sqlite3.OperationalError(REFUSAL)


def _give_back(connection: Any, _record: Any) -> None:
    driver = None if connection is None else _driver(connection)
    if driver is not None:
        driver.used_by = None
        if _forking is not None:
            with _changed:
                _changed.notify_all()


def used_by_this_thread() -> "list[SqliteConnection]":
    """Return the connections that this thread has from a pool, but not those of an event loop. Raises nothing."""
    with _changed:
        return [each for each in _open if each.used_by == threading.get_ident() and not each.is_awaited]


def _is_in_use(by: int) -> bool:
    return any(each.used_by == by for each in list(_open))


def _is_inherited(database: Any) -> bool:
    name = os.fsdecode(database)
    if name.startswith("file:"):
        name = unquote(name.removeprefix("file:").partition("?")[0].partition("#")[0])
        name = "/" + name[2:].partition("/")[2] if name.startswith("//") else name  # without the host
    with suppress(OSError):
        found = Path(name).stat()
        return (found.st_dev, found.st_ino) in _inherited
    return False


def _before() -> None:
    global _forking  # noqa: PLW0603  (one for the process)
    me = threading.get_ident()
    _changed.acquire()
    _forking = me
    if not _is_in_use(by=me):  # else the child cannot use SQLite, and others may wait for this thread's transaction
        _changed.wait_for(lambda: all(each.used_by is None for each in list(_open)), WAITS_SECONDS)
        for each in list(_open):
            if each.used_by is None:
                with suppress(sqlite3.Error):
                    each.close()
    for before, _, _ in _others:
        before()


def _in_parent() -> None:
    global _forking  # noqa: PLW0603
    for _, in_parent, _ in reversed(_others):
        in_parent()
    _forking = None
    _changed.notify_all()
    _changed.release()


def _in_child() -> None:
    global _changed, _forking, _inherited  # noqa: PLW0603
    _changed, _forking = threading.Condition(), None
    for _, _, in_child in reversed(_others):
        in_child()
    _left.extend(_open)
    _open.clear()
    if _engines:
        _inherited = frozenset(_files())
    for engine in list(_engines):
        if _inherited:
            sa.event.listen(engine, "after_cursor_execute", _check_attached)
        if not isinstance(engine.pool, sa.pool.StaticPool | sa.pool.SingletonThreadPool):  # of memory, as a rule
            engine.dispose(close=False)  # its locks may be held by threads that this process does not have


def _files() -> set[tuple[int, int]]:
    """Return device and inode of the regular files that this process has open."""
    found = set()
    for each in Path("/dev/fd").iterdir():
        with suppress(OSError):
            opened = os.fstat(int(each.name))
            if stat.S_ISREG(opened.st_mode):
                found.add((opened.st_dev, opened.st_ino))
    return found


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
