"""Databases to measure in: always new ones, which are dropped afterwards; nobody's tables are touched."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr
from io import StringIO

import psycopg

from tests.engines import Database, Engines


@contextmanager
def new_database(engine: str, server_url: str | None) -> Iterator[Database]:
    """Make a database, migrated to head, on a server of the benchmark's own (`engine` as the tests name it), or on the
    one at `server_url`, as a role that may create databases.
    """
    with new_databases(engine, server_url, 1) as (database,):
        yield database


@contextmanager
def new_databases(engine: str, server_url: str | None, count: int) -> Iterator[list[Database]]:
    """Make so many of them on one server."""
    if server_url is not None:
        with psycopg.connect(server_url) as connection:
            major = connection.info.server_version // 10000
        engine = f"postgresql-{major}"
        os.environ[f"KMS_TEST_POSTGRESQL_{major}"] = server_url
    with closing(Engines()) as engines:
        databases = []
        try:
            for _ in range(count):
                databases.append(engines[engine].create())
                with redirect_stderr(StringIO()):  # what a migration says of its progress
                    databases[-1].alembic("upgrade", "head")
            yield databases
        finally:
            for database in databases:
                engines[engine].drop(database)
