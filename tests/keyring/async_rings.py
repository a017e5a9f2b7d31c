"""Asynchronous rings and engines for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kms_schema.engine import configure
from kms_schema.keyring import AsyncKeyRing, CachePolicy
from support.engines import Database

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
