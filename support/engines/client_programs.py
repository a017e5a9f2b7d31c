"""PostgreSQL's client programs, those of the wheel: npm packs none, and these dump every older server as well."""

import os
import re
import subprocess

import sqlalchemy as sa

from support.engines.database import Database
from support.engines.postgresql import psycopg_url
from support.engines.programs import WHEEL_MAJOR, find_programs

UNKNOWN_TO_OLDER_SERVERS = "transaction_timeout"
"""A setting of 17 that dumps by later programs begin with; an older server refuses this and takes the rest."""


def client(name: str, *arguments: str, settings: str = "", given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program, `given` to its standard input; its session has `settings`, which are options of `postgres`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(
        [str(find_programs(WHEEL_MAJOR).folder / name), *arguments],
        capture_output=True,
        check=False,
        input=given.encode(),
        env={**inherited, "PGOPTIONS": settings, "LC_ALL": "C.UTF-8"},
    )
    # Not as text, which would change line ends: there are some within our constraints.
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def address(database: Database) -> str:
    """Return the URL of a database as these programs read it."""
    return psycopg_url(sa.make_url(database.url))


def dumped(database: Database, *options: str) -> str:
    """Return a database as SQL that any supported server can run."""
    done = client("pg_dump", *options, address(database))
    assert done.returncode == 0, done.stderr
    return re.sub(rf"^SET {UNKNOWN_TO_OLDER_SERVERS} = 0;$", "", done.stdout, flags=re.MULTILINE)


def run_script(database: Database, script: str, settings: str = "") -> subprocess.CompletedProcess[str]:
    """Run SQL in one transaction, up to the first error."""
    options = ("-X", "-q", "--single-transaction", "-v", "ON_ERROR_STOP=1", "-d", address(database))
    return client("psql", *options, settings=settings, given=script)


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what a program says went wrong, but for the setting that older servers do not know."""
    said = [line for line in done.stderr.splitlines() if "ERROR:" in line or "error:" in line]
    return [line for line in said if UNKNOWN_TO_OLDER_SERVERS not in line]
