"""What tests of the key ring share: names, rings over each driver and of each role, and what the database has."""

import base64
import json
import shutil
import threading
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kms_schema.crypto import RootKeys
from kms_schema.engine import configure
from kms_schema.keyring import AsyncKeyRing, CachePolicy, KeyRing
from kms_schema.roles.definition import Role
from support.engines import Database
from support.rows.smallest import unique
from support.statements import execute
from tests.roles.granted import Granted

ROOT = "kms://root-2026"
AAD = b"invoice/17/iban"
DATA = b"DE89 3704 0044"


@contextmanager
def ring_of(engine: sa.Engine, roots: RootKeys) -> Iterator[KeyRing]:
    """Open a ring on an engine, and close both."""
    try:
        with KeyRing(engine, roots) as ring:
            yield ring
    finally:
        engine.dispose()


def table(connection: sa.Connection) -> sa.Table:
    """Return a new table of the application's."""
    made = sa.Table(unique("notes"), sa.MetaData(), sa.Column("note", sa.Text))
    made.create(connection)
    return made


def value(database: Database, query: str, **parameters: Any) -> Any:
    """Return the first value of a query."""
    return rows(database, query, **parameters)[0][0]


def rows(database: Database, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with closing(database.connect()) as connection:
        return list(execute(connection, query, parameters).fetchall())


def change(database: Database, statement: str, **parameters: Any) -> None:
    with closing(database.connect()) as connection:
        execute(connection, statement, parameters)


USED = (
    "SELECT v.usage_count FROM key_versions AS v JOIN key_masters AS m ON m.id = v.key_id WHERE m.key_id = :key"
    " ORDER BY v.version_number DESC"
)


def used(database: Database, key_id: str) -> int:
    """Return the use of the newest version, as the database counts it."""
    count: int = value(database, USED, key=key_id)
    return count


def entries(database: Database, event_type: str, key_id: str) -> list[dict[str, Any]]:
    """Return the documents of the entries of a type about a key, in their order."""
    found = rows(
        database,
        "SELECT additional_metadata FROM key_audit_logs AS e JOIN key_masters AS m ON m.id = e.key_id"
        " WHERE event_type = :type AND m.key_id = :key ORDER BY sequence",
        type=event_type,
        key=key_id,
    )
    return [json.loads(each) if isinstance(each, str) else each for (each,) in found]


@contextmanager
def unreachable(database: Database) -> Iterator[None]:
    """Nobody gets a connection to the database inside the block."""
    if database.dialect == "sqlite":
        path, aside = Path(database.name), Path(database.name + ".aside")
        shutil.move(path, aside)
        path.mkdir()
        try:
            yield
        finally:
            path.rmdir()
            shutil.move(aside, path)
        return
    elsewhere = sa.make_url(database.url).set(drivername="postgresql", database="postgres")
    with closing(psycopg.connect(elsewhere.render_as_string(hide_password=False), autocommit=True)) as connection:
        connection.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS false'.encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database.name])
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS true'.encode())


@contextmanager
def another_writes(database: Database) -> Iterator[threading.Thread]:
    """Another connection to a file of SQLite has the write lock when the block begins, and commits soon after that."""
    writes = threading.Event()

    def write() -> None:
        with closing(database.connect()) as other:
            execute(other, "BEGIN IMMEDIATE")
            execute(other, "UPDATE key_masters SET status_reason = 'another'")
            writes.set()
            time.sleep(0.2)
            execute(other, "COMMIT")

    thread = threading.Thread(target=write)
    thread.start()
    writes.wait(10)
    try:
        yield thread
    finally:
        thread.join()


DRIVERS = {"postgresql": ("asyncpg", "psycopg"), "sqlite": ("aiosqlite",)}
SMALL_POOL = {"poolclass": sa.AsyncAdaptedQueuePool, "pool_size": 3, "max_overflow": 0}


def async_engine(database: Database, driver: str | None = None, **options: Any) -> AsyncEngine:
    name = f"{database.dialect}+{driver or DRIVERS[database.dialect][0]}"
    engine = create_async_engine(sa.make_url(database.url).set(drivername=name), **options)
    configure(engine.sync_engine)
    return engine


@asynccontextmanager
async def opened(
    database: Database, roots: Any, driver: str | None = None, max_age: float = 60, **options: Any
) -> AsyncIterator[tuple[AsyncKeyRing, AsyncEngine]]:
    engine = async_engine(database, driver, **options)
    try:
        async with AsyncKeyRing(engine, roots, cache=CachePolicy(max_age=max_age)) as ring:
            yield ring, engine
    finally:
        await engine.dispose()


def statements(ring: AsyncKeyRing) -> list[str]:
    """Return a list that what the ring executes is added to."""
    found: list[str] = []
    for engine in set(ring._ring._parts.storage._own):
        sa.event.listen(engine, "before_cursor_execute", lambda *each: found.append(each[2]))
    return found


APP, ROTATOR, ADMIN = (Role.APP,), (Role.ROTATOR,), (Role.ADMIN,)
BOTH = (Role.ADMIN, Role.ROTATOR)


@contextmanager
def ring_as(granted: Granted, roots: RootKeys, roles: tuple[Role, ...]) -> Iterator[KeyRing]:
    with granted.member(*roles) as seen:
        engine = seen.engine()
        with KeyRing(engine, roots) as ring:
            yield ring
        engine.dispose()


def forms(secret: bytes) -> tuple[str, ...]:
    """Return how the secret, or its beginning, could be spelled."""
    part = secret[3:15]
    return (part.hex(), repr(part)[2:-1], base64.b64encode(secret).decode()[4:20], str(list(part))[1:-1])


def shown(error: BaseException) -> str:
    """Return an error with its causes, and the variables of each frame."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()) + repr(error)
