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
    if server_url is not None:
        with psycopg.connect(server_url) as connection:
            major = connection.info.server_version // 10000
        engine = f"postgresql-{major}"
        os.environ[f"KMS_TEST_POSTGRESQL_{major}"] = server_url
    with closing(Engines()) as engines:
        database = engines[engine].create()
        try:
            with redirect_stderr(StringIO()):  # what a migration says of its progress
                database.alembic("upgrade", "head")
            yield database
        finally:
            engines[engine].drop(database)
